/** @file Test images occluded by the maps of the standard and the strongest models, for the report. */
import { type Dataset, subset } from '../../data/dataset.ts';
import { MODES, type Mode, replacedIn } from '../../evaluation/roar/bands.ts';
import { occluded } from '../../evaluation/roar/occlusion.ts';
import { renderAttribution, renderImage } from '../../image/render.ts';
import { ROAR_NORMS, type RoarMethod, type RoarResult, type RoarSample } from '../../report/roar-result.ts';
import { pictureFile, savePicture } from '../../report/save-picture.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { RoarContext } from './context.ts';
import { attributionsOf, type Chooser, readBands } from './maps.ts';
import { modelPlans, withModel } from './models.ts';

type Samples = RoarResult['samples'];

/**
 * Draws the first test image of each of a few classes, unless an earlier start of the run has: as it is, its maps, and what is
 * left of it.
 */
export async function makeSamples(
  context: RoarContext & { readonly fill: readonly number[] },
  runtime: Runtime,
): Promise<Samples> {
  const { run, configuration, sets } = context;
  const method = configuration.methods.at(-1)!;
  const protocol = configuration.protocols.at(-1)!;
  if (configuration.sampleCount === 0) return { method, protocol, images: [] };
  const chosen = firstOfClasses(sets.test, configuration.sampleCount);
  const rows: { model: string; method: Chooser }[] = [
    ...shownModels(context).map((model) => ({ model, method })),
    ...(protocol === 'repaired' ? [{ model: 'random', method: 'random' as const }] : []),
  ];
  const files = chosen.flatMap((_, index) => [
    pictureOf(index),
    ...rows.flatMap((row) => [
      ...(row.method === 'random' ? [] : [mapOf(index, row.model)]),
      ...MODES.flatMap((mode) => shownPercentiles(context).map((p) => viewOf(index, row.model, mode, p))),
    ]),
  ]);
  return run.step('samples', async () => ({ method, protocol, images: await draw(context, runtime, chosen, rows) }), {
    files: files.map(pictureFile),
  });
}

const pictureOf = (index: number): string => `sample-${index + 1}`;
const mapOf = (index: number, model: string): string => `${pictureOf(index)}-${model}-map`;
const viewOf = (index: number, model: string, mode: Mode, percentile: number): string =>
  `${pictureOf(index)}-${model}-${mode}-${percentile}`;

/** A low, a middle and a high one. */
function shownPercentiles({ configuration: { percentiles } }: RoarContext): number[] {
  const places = new Set([0, percentiles.length >> 1, percentiles.length - 1]);
  return [...places].map((at) => percentiles[at]!);
}

async function draw(
  context: RoarContext & { readonly fill: readonly number[] },
  runtime: Runtime,
  chosen: readonly number[],
  rows: readonly { model: string; method: Chooser }[],
): Promise<RoarSample[]> {
  const { configuration, sets } = context;
  const protocol = configuration.protocols.at(-1)!;
  const { images, labels } = sets.test.batch(chosen);
  const drawn: RoarSample['rows'][number][][] = chosen.map(() => []);
  for (const { model, method: chooser } of rows) {
    const maps = chooser === 'random' ? undefined : await mapsOf(context, model, chooser, runtime, chosen);
    const views = await occludedViews(context, { model, method: chooser, protocol }, chosen);
    chosen.forEach((_, index) => {
      drawn[index]!.push({ model, ...(maps && { map: maps[index]! }), occluded: views[index]! });
    });
  }
  const samples: RoarSample[] = [];
  for (const [index, label] of labels.entries()) {
    const image = await savePicture(context.run, pictureOf(index), renderImage(images, { index }));
    samples.push({ label: sets.test.classes[label]!, image, rows: drawn[index]! });
  }
  return samples;
}

/** The standard model and, of the first loss, the strongest of each norm. */
function shownModels({ configuration }: RoarContext): string[] {
  const plans = modelPlans(configuration);
  const strongest = ROAR_NORMS.flatMap(
    (norm) =>
      plans.findLast(({ attack }) => attack?.norm === norm && attack.loss === configuration.losses[0])?.name ?? [],
  );
  return ['standard', ...strongest];
}

function firstOfClasses(dataset: Dataset, count: number): number[] {
  const { labels } = dataset.batch(Uint32Array.from({ length: Math.min(dataset.count, 200) }, (_, i) => i));
  return [...labels.keys()].filter((i) => labels.indexOf(labels[i]!) === i).slice(0, count);
}

async function mapsOf(
  context: RoarContext,
  model: string,
  method: RoarMethod,
  runtime: Runtime,
  chosen: readonly number[],
): Promise<string[]> {
  const { images } = context.sets.test.batch(chosen);
  const maps = await withModel(context, model, runtime, (classifier) => attributionsOf(classifier, images, context));
  const tensor = { shape: images.shape, data: maps[method] };
  const pictures: string[] = [];
  for (const index of chosen.keys()) {
    const { bitmap } = renderAttribution(tensor, { index, kind: 'magnitude' });
    pictures.push(await savePicture(context.run, mapOf(index, model), bitmap));
  }
  return pictures;
}

/** By image, what ROAR and KAR leave of it. */
async function occludedViews(
  context: RoarContext & { readonly fill: readonly number[] },
  which: Parameters<typeof readBands>[1],
  chosen: readonly number[],
): Promise<RoarSample['rows'][number]['occluded'][number][][]> {
  const { run, configuration, sets, fill } = context;
  const { percentiles } = configuration;
  const { test } = await readBands(context, which);
  const size = test.length / sets.test.count;
  const bands = new Uint8Array(chosen.length * size);
  chosen.forEach((number, row) => {
    bands.set(test.subarray(number * size, (number + 1) * size), row * size);
  });
  const views: RoarSample['rows'][number]['occluded'][number][][] = chosen.map(() => []);
  for (const mode of MODES) {
    for (const percentile of shownPercentiles(context)) {
      const replaced = replacedIn(bands, mode, percentiles.indexOf(percentile));
      const left = occluded(subset(sets.test, chosen), replaced, fill);
      const { images } = left.batch([...chosen.keys()]);
      for (const index of chosen.keys()) {
        const name = viewOf(index, which.model, mode, percentile);
        views[index]!.push({ mode, percentile, picture: await savePicture(run, name, renderImage(images, { index })) });
      }
    }
  }
  return views;
}
