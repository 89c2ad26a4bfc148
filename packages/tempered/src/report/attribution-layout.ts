/** @file Where the maps of several models and methods go: rows, columns and their headings. */
import type { AttributionFigureOptions } from './attribution-figure.ts';
import type { Caption, PictureCell, PictureRow, PictureTable } from './picture-table.ts';

export const DIFFERENCE = 'difference';

/** Every cell that a layout can ask for. */
export interface Cells {
  input(model: number, condition: number, image: number, captions?: readonly Caption[]): PictureCell | undefined;
  prediction(model: number, condition: number, image: number): Caption;
  map(model: number, condition: number, method: number, image: number, captions?: readonly Caption[]): PictureCell;
  /** Of the second model's map to the first's. */
  difference(condition: number, method: number, image: number): PictureCell;
}

export type Grid = Pick<PictureTable, 'columns' | 'rows'>;

const conditionsOf = ({ models }: AttributionFigureOptions): number[] => [...models[0]!.conditions.keys()];

/** A row an image: input, models and their difference; then the same after the attack, which gave every model an image of its own. */
export function rowsByImage(options: AttributionFigureOptions, cells: Cells): Grid {
  const { models, images } = options;
  const names = shortNames(models.map(({ name }) => name));
  const pair = models.length === 2;
  const hasInput = cells.input(0, 0, 0) !== undefined;
  const columns = conditionsOf(options).flatMap((condition) => {
    const group = groupOf(options, condition);
    const input = (of: string) => (hasInput ? [{ group, heading: `input${of}` }] : []);
    return [
      ...(condition === 0 ? input('') : []),
      ...names.flatMap((name) => [...(condition === 0 ? [] : input(` for ${name}`)), { group, heading: name }]),
      ...(pair ? [{ group, heading: DIFFERENCE }] : []),
    ];
  });
  const rows = images.map((image, index): PictureRow => {
    const contents = conditionsOf(options).flatMap((condition) => {
      const input = (model: number) => (hasInput ? [cells.input(model, condition, index)] : []);
      return [
        ...(condition === 0 ? input(0) : []),
        ...models.flatMap((_, model) => [
          ...(condition === 0 ? [] : input(model)),
          cells.map(model, condition, 0, index, [cells.prediction(model, condition, index)]),
        ]),
        ...(pair ? [cells.difference(condition, 0, index)] : []),
      ];
    });
    return { label: image.name, detail: aboutImage(image), cells: contents };
  });
  return { columns, rows };
}

/** For each image a row a model, and one for their difference; input and methods side by side, clean and attacked. */
export function rowsByModel(options: AttributionFigureOptions, cells: Cells): Grid {
  const { models, methods, images } = options;
  const conditions = conditionsOf(options);
  const hasInput = cells.input(0, 0, 0) !== undefined;
  const rows = images.flatMap((image, index) => {
    const ofModels = shortNames(models.map(({ name }) => name)).map((label, model): PictureRow => {
      const input = (condition: number) =>
        cells.input(model, condition, index, [cells.prediction(model, condition, index)]);
      return {
        label,
        cells: conditions.flatMap((condition) => [
          ...(hasInput ? [input(condition)] : []),
          ...methods.map((_, method) => cells.map(model, condition, method, index)),
        ]),
      };
    });
    const difference = (): PictureRow => ({
      label: DIFFERENCE,
      cells: conditions.flatMap((condition) => [
        ...(hasInput ? [undefined] : []),
        ...methods.map((_, method) => cells.difference(condition, method, index)),
      ]),
    });
    const [first, ...others] = models.length === 2 ? [...ofModels, difference()] : ofModels;
    return [{ ...first!, block: [image.name, aboutImage(image)].join(' · ') }, ...others];
  });
  const columns = conditions.flatMap((condition) => {
    const group = groupOf(options, condition);
    return [...(hasInput ? ['input'] : []), ...methods.map(({ label }) => label)].map((heading) => ({
      group,
      heading,
    }));
  });
  return { columns, rows };
}

/** Heading over the columns of a condition, where there are several. */
const groupOf = ({ models, attack = 'attacked' }: AttributionFigureOptions, condition: number): string | undefined => {
  if (models[0]!.conditions.length === 1) return undefined;
  return condition === 0 ? 'clean' : attack;
};

const aboutImage = ({ label, explained }: AttributionFigureOptions['images'][number]): string =>
  label === undefined || label === explained ? `class ${explained}` : `label ${label}, explained: ${explained}`;

/** What names have of their own: mnist-small-normal and mnist-small-adv are normal and adv. */
export function shortNames(names: readonly string[]): string[] {
  const parts = names.map((name) => name.split(/(?<=[-_])/));
  const [first = []] = parts;
  let shared = 0;
  while (parts.every((each) => shared < each.length - 1 && each[shared] === first[shared])) shared++;
  return names.length < 2 ? [...names] : parts.map((each) => each.slice(shared).join(''));
}
