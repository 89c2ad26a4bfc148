import { meanSlopesRefined, type Refined } from './adaptive.ts';
import type { Baseline } from './baseline.ts';
import { completenessOf, type Explain, type Task } from './explanation.ts';
import { overBaselines } from './over-baselines.ts';
import { integrate } from './path.ts';
import type { QuadratureRule } from './quadrature.ts';
import { type Way, wayOf } from './way.ts';

export interface IntegratedGradients {
  readonly name: 'integrated-gradients';
  readonly rule: QuadratureRule | 'adaptive';
  readonly steps: number;
  readonly tolerance: number;
  readonly maxSteps: number;
  readonly baseline: Baseline;
  readonly local: boolean;
}

/**
 * (x − baseline) ⊙ mean gradient along the straight line between them. Sundararajan et al. 2017, eq. 1. With a layer, the
 * line is between the layer's values at baseline and image, and the layer's elements get the attributions.
 *
 * The certificate says how far the attributions are from adding up to output − baseOutput; of random baselines also the
 * standard error of the mean over them.
 *
 * @example
 * integratedGradients({ rule: 'adaptive' }); // as many points as each image needs
 * integratedGradients({ steps: 20, baseline: { average: backgroundImages } });
 */
export const integratedGradients = ({
  rule = 'midpoint',
  steps = rule === 'adaptive' ? 16 : 50,
  tolerance = 1e-3,
  maxSteps = 4000,
  baseline = 'black',
  local = false,
}: {
  /**
   * Default midpoint, which on piecewise linear networks is as exact as Gauss–Legendre with as many points. `'adaptive'`
   * starts with midpoints and adds points where the output bends, until the relative completeness error is at most
   * `tolerance`.
   */
  rule?: QuadratureRule | 'adaptive';
  /** Gradients along the line, default 50; adaptive: at first, default 16. */
  steps?: number;
  /** Adaptive: relative completeness error to reach, or the rounding of the outputs where that is more. Default 1e-3. */
  tolerance?: number;
  /** Adaptive: no image gets more points; its certificate then says how exact they are. Default 4000. */
  maxSteps?: number;
  /** Default black (zeros). */
  baseline?: Baseline;
  /** The mean gradient itself, not multiplied by x − baseline (Ancona et al. 2018, §2.2). Default false. */
  local?: boolean;
} = {}): IntegratedGradients => ({
  name: 'integrated-gradients',
  rule,
  steps,
  tolerance,
  maxSteps,
  baseline,
  local,
});

export const explainIntegratedGradients: Explain<IntegratedGradients> = (task, method) =>
  overBaselines(task, method.baseline, async (task, baselines) => {
    const way = await wayOf(task, baselines);
    const { start, end, output, baseOutput } = way;
    const { integrals, points, quadratureError } = await meanSlopes(task, way, method);
    const shares = { shape: end.shape, data: end.data.map((x, k) => (x - start.data[k]!) * integrals.data[k]!) };
    return {
      attributions: method.local ? integrals : shares,
      output,
      baseOutput,
      certificate: {
        completeness: completenessOf(
          shares,
          output.map((value, i) => value - baseOutput[i]!),
        ),
        points,
        ...(quadratureError && { quadratureError }),
      },
    };
  });

async function meanSlopes(
  task: Task,
  way: Way,
  { rule, steps, tolerance, maxSteps }: IntegratedGradients,
): Promise<Omit<Refined, 'quadratureError'> & Partial<Refined>> {
  if (rule === 'adaptive') return meanSlopesRefined(task, way, { steps, maxSteps, tolerance });
  const integrals = await integrate(
    task,
    {
      key: `gradient of ${way.key}`,
      stage: 'integrated-gradients',
      passes: { forwards: 1, backwards: 1 },
      images: way.images,
      write: (context, inputs, { at }) => way.write(context, inputs, at).slope,
    },
    { rule, steps },
  );
  return { integrals, points: new Array<number>(task.images.shape[0]!).fill(steps) };
}
