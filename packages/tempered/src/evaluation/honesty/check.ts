/** @file What an honesty check says. Numbers and titles follow "On Evaluating Adversarial Robustness" (Carlini et al. 2019), AutoAttack's flags and Pintor et al. 2022. */

// Where each check is written:
//   accuracy.ts             C1 clean accuracy            C17 enough images
//   curve.ts                C2 falling curve             C3 unbounded attack
//   attack-order.ts         C4 many steps beat one       C6 stronger beat weaker     C16 gradient-free find nothing
//   convergence.ts          C5 twice the effort
//   losses.ts               C7 losses agree
//   truthful-gradients.ts   C8 gradients
//   determinism.ts          C9 predictions repeat
//   graph-checks.ts         C10 nodes                    C11 outputs and inputs      C22 adaptive attacks
//   returned.ts             C12 iterates kept            C15 bounds
//   worst-case.ts           C13 both goals               C14 image by image
//   training-checks.ts      C19 catastrophic, C20 robust overfitting
//   record.ts               C21 record
// check-honesty.ts runs them all; probes.ts makes the attacks that some of them need; masks.ts looks for what hides
// gradients. C18 compares with certified bounds, of which there are none here.

export type Verdict = 'pass' | 'warn' | 'fail' | 'not applicable';

const TITLES = {
  C1: 'Clean accuracy stands beside robust accuracy',
  C2: 'Robust accuracy falls with ε, down to chance',
  C3: 'Without a bound, every image can be broken',
  C4: 'Many steps break what a single step breaks',
  C5: 'More steps and restarts change nothing',
  C6: 'Stronger attackers break what weaker ones break',
  C7: 'Losses agree',
  C8: 'Gradients exist and tell the truth',
  C9: 'Predictions repeat',
  C10: 'Every node passes a gradient on',
  C11: 'Outputs, inputs and statistics are what attacks expect',
  C12: 'Attacks return what they found',
  C13: 'Targeted and untargeted attacks were run',
  C14: 'The worst case is taken image by image',
  C15: 'Returned images keep to the bounds',
  C16: 'Attacks without gradients find nothing new',
  C17: 'There are enough images',
  C19: 'Training did not overfit to its single-step attack',
  C20: 'Training did not overfit in robust accuracy',
  C21: 'The record is complete',
  C22: 'Defences call for adaptive attacks',
} as const;

export type CheckId = keyof typeof TITLES;

export interface HonestyCheck {
  readonly id: CheckId;
  readonly title: string;
  readonly verdict: Verdict;
  /** What was seen, in one or two sentences with the numbers. */
  readonly evidence: string;
  /** What to do about it. */
  readonly advice?: string;
  /** The numbers themselves. JSON-serialisable. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export const check = (
  id: CheckId,
  verdict: Verdict,
  evidence: string,
  more: Pick<HonestyCheck, 'advice' | 'data'> = {},
): HonestyCheck => ({ id, title: TITLES[id], verdict, evidence, ...more });

/** "3 of 50". */
export const ofCount = (part: number, whole: number): string => `${part} of ${whole}`;

/** "12.5 %". */
export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

/** The first few of a list, and how many more there are. */
export function listed(items: readonly (string | number)[], most = 10): string {
  const shown = items.slice(0, most).join(', ');
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
