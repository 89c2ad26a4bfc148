import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseModel } from './parse.ts';
import { writeModel } from './write.ts';

const fixtures = '../shared/fixtures/pytorch-gradients';

describe.skipIf(!existsSync(fixtures))(`models of ${fixtures} (skipped where it is absent)`, () => {
  for (const name of existsSync(fixtures) ? readdirSync(fixtures) : []) {
    test(`${name} is written as it was read`, () => {
      const graph = parseModel(readFileSync(`${fixtures}/${name}/model.onnx`));
      expect(graph.nodes.length).toBeGreaterThan(0);
      expect(parseModel(writeModel(graph))).toEqual(graph);
    });
  }
});
