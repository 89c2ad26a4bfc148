/** @file What `tempered explain` found: for result.json, and a line each for the terminal. */
import type { Attribution } from '../attribution/attribute.ts';
import type { Certificate, Completeness } from '../attribution/explanation.ts';
import { type MapFigures, NO_EVIDENCE } from '../report/attribution-figure.ts';
import { figure } from '../report/format.ts';
import type { ChosenMethod } from './explain-methods.ts';

/** Maps of one model by one method, of clean or of attacked images. */
export interface Explained {
  /** Its file. */
  readonly model: string;
  readonly name: string;
  readonly method: ChosenMethod;
  readonly attacked: boolean;
  readonly attribution: Attribution;
  /** Of the images that were drawn. */
  readonly figures: readonly MapFigures[];
}

export interface ResultContext {
  readonly of: string;
  readonly classes: readonly string[];
  /** Of each image: its number in the data set, or its place among those given, from 1. */
  readonly numbers: readonly number[];
}

export function recordOf({ model, method, attacked, attribution, figures }: Explained, context: ResultContext) {
  const { of, classes, numbers } = context;
  const { attributions, certificate, cost, layer, output, baseOutput } = attribution;
  return {
    model,
    method: method.name,
    ...(method.text !== method.name && { asked: method.text }),
    ...(attacked && { attacked }),
    of,
    ...(layer !== undefined && { layer }),
    shape: attributions.shape,
    cost,
    explanations: Array.from(attribution.targets, (target, i) => ({
      image: numbers[i]!,
      target,
      class: classes[target],
      output: output[i]!,
      ...(baseOutput && { baseOutput: baseOutput[i]! }),
      ...certificateOf(certificate, i),
      ...(figures[i] && figuresOf(figures[i])),
    })),
  };
}

export type ResultRecord = ReturnType<typeof recordOf>;

const figuresOf = ({ clip, positiveShare }: MapFigures): { clip: number; positiveShare?: number; note?: string } =>
  Number.isNaN(positiveShare) ? { clip, note: NO_EVIDENCE } : { clip, positiveShare };

/** One image's entries. */
function certificateOf(certificate: Certificate = {}, i: number) {
  const { completeness, lost, points, quadratureError, standardError } = certificate;
  return {
    ...(completeness && { completeness: completeness[i]! }),
    ...(lost && { lost: lost[i]! }),
    ...(points && { points: points[i]! }),
    ...(quadratureError && { quadratureError: quadratureError[i]! }),
    ...(standardError && { standardError: standardError[i]! }),
  };
}

/**
 * One line an image: what is explained, and how far the method kept what it promises.
 *
 * @param model its name, where there are several models, methods or conditions to tell apart
 */
export const linesOf = (
  { method, asked = method, attacked, of, layer, explanations }: ResultRecord,
  model: string | undefined,
): string[] =>
  explanations.map((each) => {
    const { image, target, class: name, output } = each;
    const note = 'note' in each ? each.note : undefined;
    const about = model === undefined ? `${image}` : `${image}, ${model}, ${asked}${attacked ? ', attacked' : ''}`;
    const facts = [
      ...certificateText(each),
      ...(layer === undefined ? [] : [`layer ${layer}`]),
      ...(note ? [note] : []),
    ];
    return [`${about}: ${of} of class ${target} (${name}) = ${figure(output)}`, ...facts].join(', ');
  });

const percentOf = (share: number): string => `${(100 * share).toFixed(2)}%`;

/** Where the map should add up to nearly 0, a share of that says nothing. */
function completenessText({ error, relativeError, difference }: Completeness): string {
  const text = `completeness error ${figure(error)}`;
  return relativeError <= 1
    ? `${text} (${percentOf(relativeError)})`
    : `${text}, larger than the ${figure(difference)} that the map should add up to`;
}

function certificateText({
  completeness,
  lost,
  points,
  quadratureError,
  standardError,
}: ReturnType<typeof certificateOf>): string[] {
  const [largest] = lost ?? [];
  return [
    ...(completeness ? [completenessText(completeness)] : []),
    ...(points === undefined ? [] : [`${points} points`]),
    ...(quadratureError === undefined ? [] : [`quadrature error ${percentOf(quadratureError)}`]),
    ...(standardError === undefined ? [] : [`standard error ${percentOf(standardError)}`]),
    ...(largest ? [`most relevance lost at ${largest.node} (${percentOf(largest.share)})`] : []),
  ];
}
