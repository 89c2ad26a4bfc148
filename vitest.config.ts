import { defineConfig } from 'vitest/config';

const conditions = ['source', 'module', 'node', 'import', 'default'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

/** Where CI wants the figures of a run. */
const report = process.env.VITEST_REPORT;

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      {
        ...shared,
        test: { name: 'unit', include: ['packages/*/src/**/*.test.ts', 'scripts/*.test.ts'], testTimeout: 60_000 },
      },
      { ...shared, test: { name: 'cli', include: ['packages/*/test/cli/**/*.test.ts'], testTimeout: 300_000 } },
      {
        ...shared,
        test: {
          name: 'browser',
          include: ['packages/*/test/browser/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
