import { test } from 'vitest';
import { loadDataset } from '../../data/node/load.ts';
import { Classifier } from '../../models/classifier.ts';
import { readModelBytes } from '../../models/node/load.ts';
import { readModel } from '../../models/load.ts';
import { scaledLogits, wavyInput } from '../../models/testing/masked-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import { percentile } from '../../statistics.ts';
import { gradientsAt, measureShattering, sharesOf } from './gradients.ts';

test('x', async () => {
  const runtime = await createNodeRuntime({ threads: 1 });
  const steps = [1e-4, 1e-3, 1 / 255, 4 / 255, 16 / 255];
  for (const [name, data] of [
    ['mnist-small-normal', 'mnist'],
    ['mnist-small-adv', 'mnist'],
    ['mnist-small-trades', 'mnist'],
    ['mnist-small-int2adv', 'mnist'],
    ['cifar-small-normal', 'cifar10'],
    ['cifar-small-adv', 'cifar10'],
  ] as const) {
    const model = readModel(await readModelBytes(`../shared/models/${name}.onnx`));
    const dataset = await loadDataset({ name: data, split: 'test', dataDir: `../shared/data/${data}` });
    const { images, labels } = dataset.batch(Uint32Array.from({ length: 50 }, (_, i) => i));
    for (const [what, m] of [
      ['plain', model],
      ['x10', scaledLogits(model, 10)],
      ['.01 sin 500', wavyInput(model, 0.01, 500)],
      ['.02 sin 100', wavyInput(model, 0.02, 100)],
      ['.005 sin 1000', wavyInput(model, 0.005, 1000)],
    ] as const) {
      const c = new Classifier(m, runtime);
      const r = await measureShattering(c, { images, labels }, steps);
      const ce = await gradientsAt(c, { images, labels }, 'cross-entropy');
      const mg = await gradientsAt(c, { images, labels }, 'margin');
      console.log(
        name,
        what,
        r
          .map((s) => `${s.step.toExponential(0)}: ${s.alongGradient.toFixed(2)} ${s.alongRandom.toFixed(2)}`)
          .join(' | '),
        'zeroCE',
        sharesOf(ce).zero,
        'margin median',
        percentile([...mg.value], 50).toFixed(1),
        sharesOf(mg).zero,
      );
      if (name.startsWith('cifar') && what !== 'plain' && what !== '.01 sin 500') break;
    }
  }
  await runtime.close();
}, 200000);
