/** @file What `tempered explain` writes: the figure, arrays, the result, and lines for the terminal. */
import { basename } from 'node:path';
import { normOf } from '../attacks/attack.ts';
import { writeNpy } from '../data/npy.ts';
import { arrangeGrid, type Bitmap, upscale } from '../image/bitmap.ts';
import { encodePng, rasterise } from '../image/node/encode.ts';
import { renderAttribution, renderOverlay } from '../image/render.ts';
import {
  attributionFigure,
  drawnMaps,
  type SharedScale,
  type ShownCondition,
  shownImages,
} from '../report/attribution-figure.ts';
import { shortNames } from '../report/attribution-layout.ts';
import { epsilon as formatEpsilon, list, norm } from '../report/format.ts';
import { drawPictureTable } from '../report/picture-table.ts';
import { rows } from '../tensor.ts';
import { fileNames } from './explain-files.ts';
import type { ChosenMethod } from './explain-methods.ts';
import { type Explained, linesOf, recordOf } from './explain-result.ts';
import type { ChosenAttack, ExplainedModel, ExplainRun, RunOptions } from './explain-run.ts';
import type { OutputFiles } from './output-folder.ts';

export interface FigureOptions extends RunOptions {
  scale: SharedScale;
  overlay?: boolean;
  percentile: number;
}

/** Images in a figure; those of larger batches are in the .npy files. */
const DRAWN = 16;

/** Files, result and lines for the terminal. */
export async function present(
  { methods, inputs, targets, models }: ExplainRun,
  attack: ChosenAttack | undefined,
  options: FigureOptions,
): Promise<{ files: OutputFiles; result: object; lines: string[] }> {
  const { of, seed, input, data, split, percentile, scale, overlay } = options;
  const drawn = Math.min(inputs.names.length, DRAWN);
  const { table, readings } = attributionFigure({
    ...{ scale, percentile, overlay },
    title: `${list(methods.map(({ text }) => text))}${models.length > 1 ? '' : ` of ${models[0]!.name}`}`,
    lines: linesAbove(models, attack, options),
    models: models.map(({ name, conditions }) => ({
      name,
      conditions: conditions.map((each) => firstOf(each, drawn)),
    })),
    methods: methods.map(({ text, unit }) => ({ label: text, unit })),
    images: inputs.names.slice(0, drawn).map((name, i) => ({
      name,
      explained: inputs.classes[targets[i]!]!,
      ...(inputs.labels && { label: inputs.classes[inputs.labels[i]!]! }),
    })),
    ...(attack && { attack: attackText(attack) }),
  });
  const explained = models.flatMap(({ path, name, conditions }, m) =>
    conditions.flatMap((condition, c) =>
      condition.explained.map(
        (attribution, k): Explained => ({
          model: path,
          name,
          method: methods[k]!,
          attacked: c > 0,
          attribution,
          figures: readings[m]![c]![k]!,
        }),
      ),
    ),
  );
  const context = { of, classes: inputs.classes, numbers: inputs.numbers };
  const records = explained.map((each) => recordOf(each, context));
  const isOnly = records.length === 1;
  const source = data === undefined ? { input: input!.length === 1 ? input![0] : input } : { data, split };
  const picture = { percentile, scale, drawn };
  const arrays = isOnly ? await singleFiles(models[0]!, drawn, percentile) : arraysOf(models, methods);
  // Whoever writes into the folder next removes them by this list.
  const written = [...Object.keys(arrays), 'figure.png', 'figure.svg'];
  const result = isOnly
    ? { ...records[0]!, ...source, seed, picture, files: written }
    : {
        ...{ models: models.map(({ path }) => path), methods: methods.map(({ text }) => text), ...source, of, seed },
        ...(attack && { attack: attack.attack, epsilon: attack.epsilon }),
        explained: records,
        picture,
        files: written,
      };
  const { svg, ...size } = await drawPictureTable(table, encodePng);
  const files = {
    ...arrays,
    'figure.png': await rasterise(svg, size),
    'figure.svg': svg,
    'result.json': `${JSON.stringify(result, undefined, 2)}\n`,
  };
  return {
    files,
    result,
    lines: records.flatMap((record, i) => linesOf(record, isOnly ? undefined : explained[i]!.name)),
  };
}

function linesAbove(
  models: readonly ExplainedModel[],
  attack: ChosenAttack | undefined,
  { data, split }: FigureOptions,
): string[] {
  return [
    ...(models.length > 1 ? [`Models: ${list(models.map(({ name }) => name))}.`] : []),
    ...(data === undefined ? [] : [`Images of ${basename(data)}, ${split}.`]),
    ...(attack ? [`Attacked: ${attackText(attack)}, each model on its own.`] : []),
  ];
}

const attackText = ({ text, attack, epsilon }: ChosenAttack): string => {
  const of = normOf(attack);
  return epsilon === undefined
    ? text
    : `${text}, ε = ${formatEpsilon(epsilon)}${of === undefined ? '' : ` (${norm(of)})`}`;
};

function firstOf({ images, predictions, maps }: ShownCondition, count: number): ShownCondition {
  return { images: rows(images, 0, count), predictions, maps: maps.map((map) => rows(map, 0, count)) };
}

function arraysOf(models: readonly ExplainedModel[], methods: readonly ChosenMethod[]): OutputFiles {
  const files: Record<string, Uint8Array> = {};
  const names = shortNames(models.map(({ name }) => name));
  const ofModels = fileNames(names);
  const ofMaps = fileNames(names.flatMap((name) => methods.map(({ text }) => `${name}-${text}`)));
  for (const [m, { conditions }] of models.entries())
    for (const [c, { images, maps }] of conditions.entries()) {
      const suffix = c === 0 ? '' : '-attacked';
      if (c > 0) files[`attacked-${ofModels[m]!}.npy`] = writeNpy(images);
      for (const [k, map] of maps.entries())
        files[`attribution-${ofMaps[m * methods.length + k]!}${suffix}.npy`] = writeNpy(map);
    }
  return files;
}

const PICTURE_PIXELS = 448;
const GAP = 8;

/** The numbers, and the bare maps of the batch one below the other, by themselves and over their images. */
async function singleFiles({ conditions }: ExplainedModel, drawn: number, percentile: number): Promise<OutputFiles> {
  const { maps } = conditions[0]!;
  const first = firstOf(conditions[0]!, drawn);
  const [map] = drawnMaps(first);
  const shown = shownImages(first.images);
  const [height, width] = map!.shape.slice(2) as [number, number];
  const factor = Math.max(1, Math.floor(PICTURE_PIXELS / Math.max(height, width)));
  const column = (draw: (index: number) => Bitmap): Promise<Uint8Array> =>
    encodePng(
      arrangeGrid(
        Array.from({ length: drawn }, (_, index) => [upscale(draw(index), factor)]),
        { gap: GAP },
      ),
    );
  return {
    'attribution.npy': writeNpy(maps[0]!),
    'attribution.png': await column((index) => renderAttribution(map!, { index, percentile }).bitmap),
    ...(shown && { 'overlay.png': await column((index) => renderOverlay(shown, map!, { index, percentile }).bitmap) }),
  };
}
