/** @file The attacks of the studies by the names that users write; `presets.ts` has what each is. */
import type { Norm } from '../optimize/ball.ts';
import type { AttackSettings, CatalogueEntry } from './catalogue.ts';
import {
  bluffFgsm,
  bluffPgd,
  boopathy2020Evaluation,
  boopathy2020Training,
  boychev2023,
  kang2019Pgd,
  kim2019,
  mnistManipulation,
  presets,
  robustnessLibrary,
  type StudyAttack,
  sidnExercise,
  zhang2019,
  zhang2019Fgsm,
} from './presets.ts';

/** A study's attack in the catalogue: ε is given when it is run, in pixel units, and is no part of it. */
function study(
  name: keyof typeof presets,
  norms: readonly ('linf' | 'l2')[],
  settings: CatalogueEntry['settings'],
  make: (settings: AttackSettings) => StudyAttack,
): CatalogueEntry {
  const [usual, ...others] = norms;
  const { differs } = make({ norm: usual });
  const more = others.flatMap((norm) =>
    make({ norm })
      .differs.filter((each) => !differs.includes(each))
      .map((each) => `in ${norm}: ${each}`),
  );
  return {
    summary: presets[name].source,
    norms,
    settings,
    differs: [...differs, ...more],
    make: (given) => make(given).attack,
  };
}

const TWO = ['linf', 'l2'] as const;
/** Settings that were not given are left to the study, which a key that is there and undefined would not do. */
const stepsOf = ({ steps, stepSize }: AttackSettings) => ({
  ...(steps !== undefined && { steps }),
  ...(stepSize !== undefined && { stepSize }),
});
const startOf = ({ randomStart }: AttackSettings) => (randomStart === undefined ? {} : { randomStart });
const normOf = ({ norm }: { norm?: Norm }) => (norm === 'l2' ? 'l2' : 'linf');
/** The attacks themselves do not depend on it. */
const epsilon = 1;

export const studies: Readonly<Record<string, CatalogueEntry>> = {
  kim2019: study('kim2019', TWO, ['norm'], (given) => kim2019({ norm: normOf(given), epsilon })),
  zhang2019: study('zhang2019', TWO, ['norm'], (given) => zhang2019({ norm: normOf(given), epsilon })),
  'zhang2019-fgsm': study('zhang2019Fgsm', ['linf'], [], () => zhang2019Fgsm({ epsilon })),
  'boopathy2020-evaluation': study('boopathy2020Evaluation', ['linf'], ['steps'], ({ steps }) =>
    boopathy2020Evaluation({ epsilon, steps }),
  ),
  'boopathy2020-training': study('boopathy2020Training', ['linf'], ['steps', 'stepSize'], (given) =>
    boopathy2020Training({ epsilon, ...stepsOf(given) }),
  ),
  'mnist-manipulation': study('mnistManipulation', ['l2'], ['steps', 'stepSize', 'randomStart'], (given) =>
    mnistManipulation({ ...stepsOf(given), ...startOf(given) }),
  ),
  'sidn-exercise': study('sidnExercise', ['l2'], ['steps', 'stepSize'], (given) => sidnExercise(stepsOf(given))),
  'robustness-library': study('robustnessLibrary', TWO, ['norm', 'steps', 'stepSize', 'randomStart'], (given) =>
    robustnessLibrary({ norm: normOf(given), epsilon, ...stepsOf(given), ...startOf(given) }),
  ),
  boychev2023: study('boychev2023', ['l2'], ['steps', 'stepSize'], (given) => boychev2023(stepsOf(given))),
  'bluff-pgd': study('bluffPgd', ['l2'], [], () => bluffPgd({ strength: epsilon })),
  'bluff-fgsm': study('bluffFgsm', ['linf'], [], () => bluffFgsm({ strength: epsilon })),
  'kang2019-pgd': study('kang2019Pgd', TWO, ['norm', 'steps'], (given) =>
    kang2019Pgd({ norm: normOf(given), epsilon, steps: given.steps }),
  ),
};
