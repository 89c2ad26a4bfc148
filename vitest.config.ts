import { defineConfig } from 'vitest/config';

const resolve = { conditions: ['source', 'module', 'node', 'import', 'default'] };
const ssr = { resolve: { conditions: ['source', 'module', 'node', 'import', 'default'] } };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { resolve, ssr, test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'], testTimeout: 60_000 } },
      { resolve, ssr, test: { name: 'cli', include: ['packages/*/test/cli/**/*.test.ts'], testTimeout: 300_000 } },
      {
        resolve,
        ssr,
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
