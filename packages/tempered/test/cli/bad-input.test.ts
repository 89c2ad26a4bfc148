/** @file Wrong use and wrong input: one line that says what is wrong, exit code 2, nothing written. */
import { chmod, mkdir } from 'node:fs/promises';
import { writeModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeNpy } from '../../src/index.ts';
import { type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;

beforeAll(async () => {
  folder = await temporaryFolder();
  const model = smallClassifier();
  await folder.write('small.onnx', model);
  await folder.write('truncated.onnx', model.subarray(0, Math.floor(model.length / 2)));
  await folder.write('text.onnx', 'This is no model.\n'.repeat(40));
  await folder.write('empty.onnx', '');
  await folder.write('unsupported.onnx', unsupportedModel());
  await folder.write('data.npz', smallData(12));
  await folder.write('image.npy', writeNpy({ shape: [1, 1, 12, 12], data: new Float32Array(144) }));
  await folder.write('row.npy', writeNpy({ shape: [1, 3], data: new Float32Array(3) }));
  await folder.write('wrong-shape.npy', writeNpy({ shape: [1, 3, 5, 5], data: new Float32Array(75) }));
  await folder.write('broken.npy', Uint8Array.of(0x93, 1, 2, 3));
  await folder.write('none.npy.npy', writeNpy({ shape: [0, 1, 12, 12], data: new Float32Array(0) }));
  await mkdir(folder.file('folder'));
  await mkdir(folder.file('folder.npy'));
  await folder.write('broken.png', 'no picture');
  await mkdir(folder.file('cache', 'mnist'), { recursive: true });
  await folder.write('cache/mnist/train-images-idx3-ubyte.gz', 'not what it was');
});

afterAll(() => folder.remove());

/** input → com.acme:Foo → output */
function unsupportedModel(): Uint8Array {
  return writeModel({
    name: 'unsupported',
    inputs: [{ name: 'input', dtype: 'float32', shape: ['N', 3] }],
    outputs: [{ name: 'logits', dtype: 'float32', shape: ['N', 3] }],
    initializers: new Map(),
    nodes: [{ name: 'strange', op: 'Foo', domain: 'com.acme', inputs: ['input'], outputs: ['logits'], attributes: {} }],
    opsets: { '': 18, 'com.acme': 1 },
    metadata: {},
    functions: [],
  });
}

/** In arguments, @name is a file of the folder. Writing into `data.npz/…` fails for everybody, root included. */
const CASES: readonly (readonly [what: string, args: string, message: RegExp])[] = [
  ['missing model', 'evaluate @none.onnx --data shapes', /none\.onnx cannot be read: there is no such file/],
  ['truncated model', 'evaluate @truncated.onnx --data shapes', /truncated\.onnx: /],
  ['text instead of a model', 'explain @text.onnx --input @image.npy --out @out', /text\.onnx: /],
  ['empty model', 'differentiate @empty.onnx --shape 1x3 --out @out.onnx', /empty\.onnx: /],
  ['operator', 'differentiate @unsupported.onnx --shape 1x3 --out @out.onnx', /com\.acme:Foo/],
  ['operator of a classifier', 'explain @unsupported.onnx --input @row.npy --out @out', /com\.acme:Foo/],
  ['input shape', 'explain @small.onnx --input @wrong-shape.npy --out @out', /\[1, 3, 5, 5\].*\[N, 1, 12, 12\]/],
  ['shape to differentiate at', 'differentiate @small.onnx --shape 1x3x5x5 --out @out.onnx', /3.*5.*5|1.*12.*12/],
  ['shape that is none', 'differentiate @small.onnx --shape 1xA --out @out.onnx', /not a shape such as/],
  ['images of another size', 'evaluate @small.onnx --data shapes --count 4', /1x12x12.*3x32x32/],
  ['data set', 'evaluate @small.onnx --data nothing', /no data set or path 'nothing'/],
  ['data set of a study', 'study --data nothing --out @out', /no data set or path 'nothing'/],
  ['data set of a training', 'train --data nothing --out @out', /no data set or path 'nothing'/],
  ['data set to fetch', 'data fetch nothing', /nothing/],
  ['checksum', 'data fetch mnist --data-dir @cache/mnist', /train-images-idx3-ubyte\.gz has the wrong checksum/],
  ['ε', 'evaluate @small.onnx --data @data.npz --epsilons 0,-0.1', /0 or more, not -0\.1/],
  ['ε of an attack', 'attack @small.onnx --input @image.npy --epsilon=-1/255 --out @out', /0 or more, not -1\/255/],
  ['ε of a training', 'train --data @data.npz --epsilon=-1 --out @out', /0 or more, not -1/],
  ['target', 'explain @small.onnx --input @image.npy --target 3 --out @out', /class 3 is out of range.*0 to 2/],
  ['negative target', 'explain @small.onnx --input @image.npy --target=-1 --out @out', /not a whole number/],
  ['attack without ε', 'attack @small.onnx --input @image.npy --out @out', /--epsilon is missing: 'pgd'.*minimal=yes/],
  [
    'attack to measure distances with',
    'evaluate @none.onnx --data shapes --attack fab --attack pgd --distances',
    /--distances needs.*give 'pgd' the setting minimal=yes/,
  ],
  ['attack without radii', 'evaluate @none.onnx --data shapes --attack fog --curve', /--epsilons is missing: 'fog'/],
  ['attack to be calibrated', 'uar @small.onnx --data shapes --attacks pgd', /no calibrated attack 'pgd'.*elastic/],
  ['calibration', 'uar @small.onnx --data shapes --attacks fog', /no calibration of 'fog' for cifar10/],
  ['maps to keep', 'sneak @small.onnx --data @data.npz', /pooling|CAM|class activation/],
  [
    'target of an attack',
    'attack @small.onnx --input @image.npy --epsilon 0.1 --target 9 --out @out',
    /class 9 is out/,
  ],
  ['picture', 'explain @small.onnx --input @broken.png --out @out', /broken\.png/],
  ['missing picture', 'explain @small.onnx --input @none.png --out @out', /none\.png/],
  ['array', 'explain @small.onnx --input @broken.npy --out @out', /broken\.npy/],
  ['missing array', 'explain @small.onnx --input @none.npy --out @out', /none\.npy/],
  ['method', 'explain @small.onnx --input @image.npy --method guess --out @out', /no method 'guess'/],
  ['folder to write to', 'explain @small.onnx --input @image.npy --out @data.npz/out', /data\.npz/],
  ['folder of an attack', 'attack @small.onnx --input @image.npy --epsilon 0.1 --out @data.npz/out', /data\.npz/],
  ['file to write', 'differentiate @small.onnx --shape 1x1x12x12 --out @data.npz/grad.onnx', /data\.npz/],
  ['JSON file', 'evaluate @small.onnx --data @data.npz --epsilons 0 --json @data.npz/x.json', /data\.npz/],
  ['run folder', 'train --data @data.npz --epochs 1 --out @data.npz/run', /data\.npz/],
  ['run folder of a study', 'study --data @data.npz --out @data.npz/run', /data\.npz/],
  [
    'empty batch',
    'explain @small.onnx --input @none.npy.npy --out @out',
    /holds nothing: its shape is \[0, 1, 12, 12\]/,
  ],
  ['empty batch to attack', 'attack @small.onnx --input @none.npy.npy --epsilon 0.1 --out @out', /holds nothing/],
  ['folder that is a file', 'explain @small.onnx --input @image.npy --out @image.npy', /is a file, not a folder/],
  ['run folder that is a file', 'train --data @data.npz --out @image.npy', /is a file, not a folder/],
  ['file that is a folder', 'differentiate @small.onnx --shape 1x1x12x12 --out @folder', /is a folder, not a file/],
  ['JSON file that is a folder', 'evaluate @small.onnx --data @data.npz --json @folder', /is a folder, not a file/],
  [
    'array that is a folder',
    'explain @small.onnx --input @folder.npy --out @out',
    /folder\.npy cannot be read: it is a folder, not a file/,
  ],
  [
    'picture that is a folder',
    'explain @small.onnx --input @folder --out @out',
    /folder cannot be read: it is a folder, not a file/,
  ],
  ['model that is a folder', 'evaluate @folder --data shapes', /folder cannot be read: it is a folder, not a file/],
  [
    'baseline',
    'explain @small.onnx --input @image.npy --method ig --baseline grey --out @out',
    /'grey'.*black, white, mean/,
  ],
  ['split', 'data show shapes --split foo', /choices are train, test, conflict/],
  ['cache folder', 'data fetch mnist --data-dir @data.npz/cache', /data\.npz/],
  ['option', 'evaluate @small.onnx --data shapes --what', /unknown option '--what'/],
  ['missing option', 'evaluate @small.onnx', /--data/],
];

it.concurrent.each(CASES)('refuses a wrong %s', async (_what, args, message) => {
  const before = await folder.list();
  const outcome = await tempered(args.split(' ').map((part) => part.replace('@', folder.file('/'))));
  expect(outcome).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(/^error: [^\n]+\n$/) });
  expect(outcome.stderr).toMatch(message);
  expect(await folder.list()).toEqual(before);
});

const isAllowedEverything = process.platform === 'win32' || process.getuid?.() === 0;

it.skipIf(isAllowedEverything)('refuses a folder without write permission (root may write everywhere)', async () => {
  await mkdir(folder.file('locked'));
  await chmod(folder.file('locked'), 0o500);
  const [small, image, locked] = [folder.file('small.onnx'), folder.file('image.npy'), folder.file('locked')];
  for (const args of [
    ['differentiate', small, '--shape', '1x1x12x12', '--out', folder.file('locked', 'grad.onnx')],
    ['explain', small, '--input', image, '--out', locked],
    ['attack', small, '--input', image, '--epsilon', '0.1', '--out', locked],
    ['train', '--data', folder.file('data.npz'), '--out', locked],
  ]) {
    const outcome = await tempered(args);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: .*no permission to write.*\n$/) });
  }
});
