/** @file What an audit found, in sentences that follow from its numbers, whichever way they fall. */
import type { AuditResult } from './audit-result.ts';
import { epsilon, list, norm, percent, percentInterval } from './format.ts';
import type { Finding } from './summary.ts';

/** Accuracy, how far robustness reaches, and how far the evaluation can be trusted. */
export function auditFindings(result: AuditResult): Finding[] {
  return [natural(result), reach(result), trust(result), survival(result)].filter((finding) => finding !== undefined);
}

const share = (found: { accuracy: number; lower: number; upper: number }): string =>
  `${percent(found.accuracy)} ${percentInterval(found)}`;

function natural({ evaluation, model }: AuditResult): Finding {
  const found = evaluation.natural;
  const chance = 1 / model.classes.length;
  const verdict =
    found.lower > chance
      ? ''
      : `: no better than guessing among ${model.classes.length} classes, so check labels, class order and preprocessing`;
  return { topic: 'Without attack', text: `The model is right on ${share(found)} of ${found.count} images${verdict}.` };
}

function reach({ evaluation, norm: name }: AuditResult): Finding | undefined {
  const { natural, underAttack } = evaluation;
  const attacked = underAttack.filter((at) => at.epsilon > 0);
  const [first] = attacked;
  if (first === undefined || natural.correct === 0) return undefined;
  const where = (at: typeof first) => `ε = ${epsilon(at.epsilon)} (${norm(name)})`;
  const halved = attacked.find((at) => at.correct <= natural.correct / 2);
  const broken = attacked.find((at) => at.correct === 0);
  const half = halved
    ? `Half of what it gets right is lost by ${where(halved)}, where ${share(halved)} is left`
    : `At the largest perturbation measured, ${where(attacked.at(-1)!)}, ${share(attacked.at(-1)!)} is left`;
  const end = broken && broken !== halved ? `; nothing is left at ${where(broken)}` : '';
  return { topic: 'Under attack', text: `${half}${end}.` };
}

function trust({ checks, masks }: AuditResult): Finding {
  const failed = checks.filter(({ verdict }) => verdict === 'fail');
  const warned = checks.filter(({ verdict }) => verdict === 'warn');
  const passed = checks.filter(({ verdict }) => verdict === 'pass').length;
  const masked =
    masks.length > 0
      ? `Gradients of this model mislead attacks (${list(masks.map((mask) => mask.split(':')[0]!))}); attacks were led round that where a way is known. `
      : '';
  const names = (checks: typeof failed) => list(checks.map(({ id, title }) => `${id}, “${title}”`));
  const verdict =
    failed.length > 0
      ? `Not as they stand: ${names(failed)} failed.`
      : warned.length > 0
        ? `${passed} checks passed; look at ${names(warned)}.`
        : `All ${passed} checks that apply passed.`;
  return { topic: 'Trust in these numbers', text: `${masked}${verdict}` };
}

function survival({ evaluation }: AuditResult): Finding | undefined {
  const found = evaluation.underAttack.filter(({ broken }) => broken > 0);
  const [first] = found;
  if (first === undefined) return undefined;
  const lost = first.broken - first.survivesRounding;
  if (lost === 0) return undefined;
  return {
    topic: 'As files',
    text: `At ε = ${epsilon(first.epsilon)}, ${lost} of ${first.broken} adversarial images are classified right again once their pixels are rounded to 8 bits.`,
  };
}
