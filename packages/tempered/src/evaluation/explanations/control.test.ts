/** Measures on the control model: those that tell maps apart pass, those that do not say so. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, subset } from '../../data/dataset.ts';
import { Classifier } from '../../models/classifier.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { naturalAccuracy } from '../accuracy.ts';
import { checkControls, controlMeasure } from './control.ts';
import { controlImages, trainControlModel } from './control-model.ts';
import { measuresFrom } from './measures.ts';

const COUNT = 24;

describe('the control of measures', () => {
  let runtime: Runtime;
  let classifier: Classifier;
  let dataset: Dataset;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
    classifier = new Classifier(await trainControlModel(runtime), runtime);
    dataset = await controlImages(classifier, COUNT);
  }, 120_000);
  afterAll(() => runtime.close());

  const controlled = (text: string) => {
    const [{ measure } = { measure: undefined }] = measuresFrom(text);
    return controlMeasure(classifier, { dataset, measure: measure! });
  };

  it('has pictures that the model classifies right, by the object alone', async () => {
    expect(dataset.count).toBe(COUNT);
    expect((await naturalAccuracy(classifier, dataset)).accuracy).toBe(1);
  });

  it.each([
    'deletion:step=0.1',
    'insertion:step=0.1',
    'pixel-flipping:step=0.1',
    'road:shares=0.3+0.5',
    'average-drop',
    'infidelity:samples=40',
    'infidelity:samples=40,perturbation=gaussian,scaling=none',
    'max-sensitivity:samples=2',
    'pointing-game',
    'relevance-mass',
    'relevance-rank',
    'localization-auc',
    'top-k-intersection',
    'sparseness',
    'complexity',
    'completeness',
    'attack-stability:steps=3',
    'parameter-randomisation',
    'image-cosine',
  ])('%s is fit', async (text) => {
    const { fit, verdict, maps, leads, count } = await controlled(text);
    expect(verdict).toMatch(/^fit: .+ before .+ before /);
    expect([fit, maps.length, leads.length, count]).toEqual([true, 3, 2, COUNT]);
    for (const lead of leads) expect(lead!.lower).toBeGreaterThan(0);
  });

  it('does not know of measures on too few pictures, however clear they look', async () => {
    const three = subset(dataset, [0, 1, 2]);
    const [{ measure } = { measure: undefined }] = measuresFrom('relevance-mass');
    const { fit, verdict } = await controlMeasure(classifier, { dataset: three, measure: measure! });
    expect(fit).toBeNull();
    expect(verdict).toMatch(/^not known: so many pictures do not show that it tells the true mask from a random map/);
  });

  it('asks for 10 pictures, or none', () => {
    for (const count of [0, 10, 60]) expect(() => checkControls(count)).not.toThrow();
    expect(() => checkControls(9)).toThrow('9 pictures do not show whether a measure is fit');
    expect(() => checkControls(1)).toThrow('1 picture does not show');
  });

  it('noise in place of the object is as bad as noise beside it: so few pictures do not tell', async () => {
    const { fit, verdict, leads } = await controlled('pixel-flipping:step=0.1,fill=uniform');
    expect(fit).toBeNull();
    expect(verdict).toMatch(/^not known: /);
    expect(Math.min(...leads.map((lead) => lead!.lower))).toBeLessThan(0);
  });

  it.each(['road:order=morf', 'road:order=lerf'])('%s reports itself unfit', async (text) => {
    const { fit, verdict, leads } = await controlled(text);
    expect(fit).toBe(false);
    expect(verdict).toMatch(/^unfit: it does not tell /);
    expect(leads.some((lead) => lead!.upper < 0)).toBe(true);
  });
});
