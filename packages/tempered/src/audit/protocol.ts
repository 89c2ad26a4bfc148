/** @file How an audit was done, in words for its report. */
import type { Attack } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import type { AuditResult } from '../report/audit-result.ts';
import { count, epsilon, figure, norm } from '../report/format.ts';
import type { AuditConfiguration } from './configuration.ts';

export function protocolOf(
  { effort, epsilons, attacks, split, seed }: AuditConfiguration,
  dataset: Dataset,
  threatModel: string,
): AuditResult['protocol'] {
  const radii = epsilons
    ? epsilons.map(epsilon).join(', ')
    : 'doubling from one that hardly shows until no more images are right than by guessing';
  return [
    { name: 'Effort', value: effort },
    { name: 'Images', value: `the first ${count(dataset.count)} of ${dataset.name}, ${split}, in file order` },
    {
      name: 'Accuracy',
      value:
        'images that are wrong without attack count as wrong at every ε; success is judged by a fresh forward pass of the returned images, bounds and distances in double precision; 95% Clopper–Pearson intervals',
    },
    { name: 'Radii', value: `${norm(threatModel)}: ${radii}` },
    ...Object.entries(attacks).map(([name, attack]) => ({ name, value: inWords(attack) })),
    {
      name: 'Explanations',
      value:
        "of the true class's logit: gradient; SmoothGrad with 25 samples, σ = 0.15 of the image's range; integrated gradients from black, 50 midpoints",
    },
    { name: 'Seed', value: String(seed) },
  ];
}

/** An attack with all its settings: "pgd, norm linf, loss cross-entropy, steps 20, step size 0.125 ε ...". */
export function inWords(attack: Attack): string {
  const { name, ...settings } = attack;
  const parts = Object.entries(settings).flatMap(([key, value]): string[] => {
    const words = key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    if (key === 'attack') return [`of ${inWords(value as Attack)}`];
    if (key === 'attacks') return (value as readonly Attack[]).map((each) => `(${inWords(each)})`);
    return [`${words} ${valueInWords(value)}`];
  });
  return [name, ...parts].join(', ');
}

function valueInWords(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return figure(value);
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'relative' in value) return `${figure(Number(value.relative))} ε`;
  if (typeof value === 'object' && value !== null && 'absolute' in value) return epsilon(Number(value.absolute));
  return JSON.stringify(value).replaceAll('"', '');
}
