/** @file A process of its own: loads a model file and prints the milliseconds from its start to the first input gradient. */
import { attribute } from '../packages/tempered/dist/attribution/attribute.js';
import { plainGradient } from '../packages/tempered/dist/attribution/gradient.js';
import { loadClassifier } from '../packages/tempered/dist/models/node/load.js';
import { createNodeRuntime } from '../packages/tempered/dist/runtime/node/node-runtime.js';

const [, , path = '', device = 'cpu'] = process.argv;
const runtime = await createNodeRuntime({ device: device === 'webgpu' ? 'webgpu' : 'cpu' });
const classifier = await loadClassifier(path, { runtime });
const shape = [1, ...classifier.inputShape];
const images = { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) };
await attribute(classifier, { images, method: plainGradient(), target: 0 });
// performance.now() counts from the start of the process.
process.stdout.write(String(performance.now()));
await runtime.close();
