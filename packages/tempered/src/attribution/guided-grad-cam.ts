import { gradient } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { finished, slopesAt, weighed, weighedLayer } from './cam/activation-map.ts';
import { gradCamWeights } from './cam/grad-cam.ts';
import type { Resizing } from './cam/resizing.ts';
import { explained } from './explained.ts';
import type { Task } from './explanation.ts';
import type { OnePass } from './one-pass.ts';
import { rectifierRules } from './rectifiers.ts';

export interface GuidedGradCam {
  readonly name: 'guided-grad-cam';
  readonly resize: Exclude<Resizing, 'none'>;
}

/** Guided backpropagation times Grad-CAM at the size of the image. Selvaraju et al. 2017, §3.2. */
export const guidedGradCam = ({
  resize = 'bilinear',
}: {
  /** How Grad-CAM is brought to the size of the image. Default `'bilinear'`, pixel centres at half integers. */
  resize?: GuidedGradCam['resize'];
} = {}): GuidedGradCam => ({ name: 'guided-grad-cam', resize });

export function guidedGradCamPass({ name, resize }: GuidedGradCam, task: Task): OnePass {
  const options = { relu: true, resize: resize as Resizing };
  if (options.resize === 'none')
    throw new UsageError("guided Grad-CAM multiplies maps of the image's size: resize must not be 'none'");
  const layer = weighedLayer(task);
  return {
    name,
    key: `${name}, resize ${resize}`,
    passes: { forwards: 1, backwards: 2 },
    layer,
    write: ({ g, model, x, target, of }) => {
      const applied = model(x);
      const activations = applied.value(layer);
      const output = explained(g, applied, target, of);
      const slopes = slopesAt(g, output, activations, layer);
      const [guided] = gradient(g, { of: output, wrt: [x], rules: rectifierRules(g, 'guided') });
      const map = weighed(gradCamWeights)(g, activations, slopes);
      return { attributions: g.mul(guided!, finished(g, map, task.classifier.inputShape, options)), output };
    },
  };
}
