/** @file Maps of several models and methods side by side: images × (input, models, difference) × (clean, attacked). */
import type { Bitmap } from '../image/bitmap.ts';
import { DIVERGING, SEQUENTIAL } from '../image/colormap.ts';
import {
  attributionDifference,
  attributionScale,
  renderAttribution,
  renderImage,
  renderOverlay,
  sumChannels,
} from '../image/render.ts';
import { resize } from '../image/resample.ts';
import type { Tensor } from '../tensor.ts';
import { type Cells, DIFFERENCE, rowsByImage, rowsByModel, shortNames } from './attribution-layout.ts';
import { list, measured, ordinal, probability } from './format.ts';
import type { ColorKey, PictureTable } from './picture-table.ts';

/** Images as they are, or after an attack, with what one model says of them. */
export interface ShownCondition {
  /** [N, ...input shape]. */
  readonly images: Tensor;
  /** The likeliest class of each image. */
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
  /** Attributions by method, in the order of the methods: [N, ...]. */
  readonly maps: readonly Tensor[];
}

export interface ShownModel {
  readonly name: string;
  /** The clean images, and after an attack on this model. */
  readonly conditions: readonly ShownCondition[];
}

/** Maps that have one scale: none; those of an image and a method, over models and attack; all of a method. */
export type SharedScale = 'own' | 'image' | 'method';

export interface AttributionFigureOptions {
  title: string;
  lines?: readonly string[];
  models: readonly ShownModel[];
  /** The unit is that of the attributions: "logit". */
  methods: readonly { readonly label: string; readonly unit: string }[];
  images: readonly { readonly name: string; readonly label?: string; readonly explained: string }[];
  /** What happened to the second of the conditions: "pgd, ε = 0.3". */
  attack?: string;
  /** Default: own. */
  scale?: SharedScale;
  /** Of |a|, for the value of the strongest colour. Default 99. */
  percentile?: number;
  /** Over a pale grey copy of the image. Default false. */
  overlay?: boolean;
}

/** The figures that make a map readable. */
export interface MapFigures {
  /** The value that has the strongest colour. */
  readonly clip: number;
  /** Positive mass as a share of all mass; NaN for a map of zeros. */
  readonly positiveShare: number;
}

export interface AttributionFigure {
  readonly table: PictureTable;
  /** By model, condition, method and image. */
  readonly readings: readonly (readonly (readonly (readonly MapFigures[])[])[])[];
}

export const NO_EVIDENCE = 'no positive evidence';

/**
 * The pictures, headings and figures of the maps of one or several models. With one method, a row an image and a column
 * a model; with several, a row a model and a column a method. Two models get their difference. `drawPictureTable` draws
 * the result.
 *
 * @example
 * const { table } = attributionFigure({ title: 'Gradient', models, methods, images });
 * const { svg } = await drawPictureTable(table, encodePng);
 */
export function attributionFigure(options: AttributionFigureOptions): AttributionFigure {
  const { models, methods, images, percentile = 99 } = options;
  const planes = models.map(({ conditions }) => conditions.map(drawnMaps));
  const kinds = methods.map((_, method) => kindOf(planes.flat().map((maps) => maps[method]!)));
  const own = planes.map((conditions) =>
    conditions.map((maps) =>
      maps.map((map, method) =>
        images.map((_, index) => attributionScale(map, { index, percentile, kind: kinds[method]! })),
      ),
    ),
  );
  const readings = withSharedClips(own, options.scale ?? 'own');
  const cells = cellsOf(options, { planes, kinds, readings });
  const grid = methods.length === 1 ? rowsByImage(options, cells) : rowsByModel(options, cells);
  return { table: { title: options.title, ...grid, ...legend(options, kinds) }, readings };
}

type Kind = 'signed' | 'magnitude';

/** Maps without a negative value anywhere are magnitudes. */
const kindOf = (maps: readonly Tensor[]): Kind =>
  maps.every(({ data }) => data.every((value) => value >= 0)) ? 'magnitude' : 'signed';

/** What is drawn of maps: the sum over their channels, [N, 1, H, W], and those of a layer as large as the image. */
export function drawnMaps({ images, maps }: Pick<ShownCondition, 'images' | 'maps'>): Tensor[] {
  const [imageHeight, imageWidth] = images.shape.slice(2) as [number, number];
  return maps.map((map) => {
    const plane = sumChannels(map);
    const isMap = images.shape.length === 4 && map.shape.length === 4;
    return isMap ? resize(plane, imageHeight, imageWidth) : plane;
  });
}

type Readings = AttributionFigure['readings'];

function withSharedClips(own: Readings, scale: SharedScale): Readings {
  if (scale === 'own') return own;
  const all = own.flat();
  const clipOf = (method: number, image: number): number =>
    Math.max(
      ...all.flatMap((methods) =>
        methods[method]!.filter((_, i) => scale === 'method' || i === image).map(({ clip }) => clip),
      ),
    );
  return own.map((conditions) =>
    conditions.map((methods) =>
      methods.map((images, method) => images.map((reading, i) => ({ ...reading, clip: clipOf(method, i) }))),
    ),
  );
}

function cellsOf(
  { models, images, percentile = 99, overlay = false }: AttributionFigureOptions,
  {
    planes,
    kinds,
    readings,
  }: { planes: readonly (readonly (readonly Tensor[])[])[]; kinds: readonly Kind[]; readings: Readings },
): Cells {
  const shown = models.map(({ conditions }) => conditions.map((condition) => shownImages(condition.images)));
  const draw = (
    model: number,
    condition: number,
    map: Tensor,
    options: { index: number; clip?: number; kind: Kind },
  ): Bitmap => {
    const picture = shown[model]![condition]!;
    const sameSize = picture?.shape.at(-1) === map.shape.at(-1) && picture?.shape.at(-2) === map.shape.at(-2);
    return overlay && picture && sameSize
      ? renderOverlay(picture, map, { ...options, percentile }).bitmap
      : renderAttribution(map, { ...options, percentile }).bitmap;
  };
  return {
    input: (model, condition, index, captions = []) => {
      const picture = shown[model]![condition]!;
      return picture && { picture: renderImage(picture, { index }), captions };
    },
    prediction: (model, condition, image) => {
      const { label, probability: share } = models[model]!.conditions[condition]!.predictions[image]!;
      const { label: truth = label } = images[image]!;
      return { text: `${label}, ${probability(share)}`, tone: label === truth ? 'strong' : 'wrong' };
    },
    map: (model, condition, method, index, captions = []) => {
      const map = planes[model]![condition]![method]!;
      const { clip, positiveShare } = readings[model]![condition]![method]![index]!;
      if (Number.isNaN(positiveShare))
        return { picture: renderAttribution(map, { index }).bitmap, captions, message: NO_EVIDENCE };
      const kind = kinds[method]!;
      return {
        picture: draw(model, condition, map, { index, clip, kind }),
        captions: [...captions, { text: readingText({ clip, positiveShare }, kind) }],
      };
    },
    difference: (condition, method, index) => {
      const clips = [0, 1].map((model) => readings[model]![condition]![method]![index]!.clip) as [number, number];
      const [first, second] = [0, 1].map((model) => planes[model]![condition]![method]!) as [Tensor, Tensor];
      const map = attributionDifference(rowOf(first, index), rowOf(second, index), { clips, kind: kinds[method]! });
      const { bitmap, clip } = renderAttribution(map, { percentile });
      if (clip === 0) return { picture: bitmap, message: 'no difference' };
      return { picture: bitmap, captions: [{ text: `± ${measured(clip)} of the scale` }] };
    },
  };
}

/** ± 0.034 · 56% > 0 */
export const readingText = ({ clip, positiveShare }: MapFigures, kind: Kind = 'signed'): string =>
  kind === 'magnitude' ? `0 to ${measured(clip)}` : `± ${measured(clip)} · ${Math.round(100 * positiveShare)}% > 0`;

function rowOf({ shape, data }: Tensor, index: number): Tensor {
  const size = data.length / shape[0]!;
  return { shape: [1, ...shape.slice(1)], data: data.subarray(index * size, (index + 1) * size) };
}

/** Images that can be drawn, in [0, 1]; other ranges, such as normalised pixels, are stretched to it. */
export function shownImages(images: Tensor): Tensor | undefined {
  const [, channels, ...size] = images.shape;
  if (size.length !== 2 || (channels !== 1 && channels !== 3)) return undefined;
  return { shape: images.shape, data: toUnitRange(images.data) };
}

/** Pixels in [0, 1] as they are; others stretched to it, so that the object can be seen. */
function toUnitRange(pixels: Float32Array): Float32Array {
  const lowest = pixels.reduce((a, b) => Math.min(a, b), 0);
  const highest = pixels.reduce((a, b) => Math.max(a, b), 1);
  return lowest === 0 && highest === 1 ? pixels : pixels.map((value) => (value - lowest) / (highest - lowest));
}

function legend(
  { models, methods, scale = 'own', percentile = 99, overlay = false, lines = [] }: AttributionFigureOptions,
  kinds: readonly Kind[],
): Pick<PictureTable, 'keys' | 'notes' | 'lines'> {
  const unitOf = (kind: Kind): string => {
    const units = new Set(methods.filter((_, i) => kinds[i] === kind).map(({ unit }) => unit));
    const title = kind === 'signed' ? 'signed maps' : 'unsigned maps';
    return `${title}: ${units.size === 1 ? [...units].join() : 'units below'}`;
  };
  const names = shortNames(models.map(({ name }) => name));
  const keys: ColorKey[] = [];
  if (kinds.includes('signed'))
    keys.push({ map: DIVERGING, title: unitOf('signed'), low: '− clip', middle: '0', high: '+ clip' });
  if (kinds.includes('magnitude')) {
    // Overlays of magnitudes have the warm half of the other map.
    const map = overlay
      ? { ...DIVERGING, from: 0, table: DIVERGING.table.slice((DIVERGING.table.length - 3) / 2) }
      : SEQUENTIAL;
    keys.push({ map, title: unitOf('magnitude'), low: '0', high: 'clip' });
  }
  if (models.length === 2)
    keys.push({
      map: DIVERGING,
      title: DIFFERENCE,
      low: `more in ${names[0]}`,
      middle: '0',
      high: `more in ${names[1]}`,
    });
  const units = [...new Set(methods.map(({ unit }) => unit))];
  const labelled = (unit: string) => list(methods.filter((method) => method.unit === unit).map(({ label }) => label));
  const shared = {
    own: 'of each map by itself',
    image: 'the largest among the maps of an image by a method',
    method: 'the largest among all maps of a method',
  };
  const clip = `the clip, the ${ordinal(percentile)} percentile of |a|, ${shared[scale]}`;
  return {
    lines,
    keys,
    notes: [
      ...(units.length > 1 ? [`Units: ${units.map((unit) => `${unit} for ${labelled(unit)}`).join('; ')}.`] : []),
      `Below each map: ${clip}${kinds.includes('signed') ? ', and the share of Σ|a| that is above 0' : ''}.`,
      ...(models.length === 2 ? ['The difference is that of the maps as drawn, each over its clip.'] : []),
    ],
  };
}
