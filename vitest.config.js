// Tests run on compiled output (`tsc -b`), so that decorators, worker threads and child processes are the real ones.
// KEEPSAKE_SUITE narrows the files to one suite (deploy/test.mjs does); without it every test file can be named.
import { existsSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const suites = {
  // The web app is bundled, not compiled: its tests run from source.
  unit: ['**/dist/**/*.test.js', 'services/gateway/web/src/**/*.test.ts'],
  medium: ['**/dist/**/*.{medium,contract}.test.js'],
  e2e: ['**/dist/**/*.e2e.test.js'],
  data: ['**/dist/**/*.data.test.js'],
  faults: ['**/dist/**/*.faults.test.js'],
  // On real Kafka and MinIO: what needs them, and what a whole Keepsake does on them. Every end-to-end test runs there unchanged; those of one machine
  // alone, which damage its home, its database or its disk or plant something there, are in `faults` and `data`.
  stack: ['**/dist/**/*.stack.test.js'],
  'stack-e2e': [
    '**/dist/**/*.e2e.test.js',
    'deploy/e2e/dist/{backup,erasure}.data.test.js',
    'deploy/e2e/dist/operator.faults.test.js',
  ],
}
const others = ['**/*.{medium,contract,e2e,data,faults,stack}.test.js']
const suite = process.env.KEEPSAKE_SUITE
const onStack = suite?.startsWith('stack') === true
const globalSetup = ['libs/testing/dist/global-setup.js', ...(onStack ? ['deploy/stack/dist/global-setup.js'] : [])]
// A system under test that starts every service needs the machine for itself.
const alone = ['data', 'faults'].includes(suite)
// A whole Keepsake starts, and waits more than it works: two side by side keep two cores busy.
const slow = alone || suite?.endsWith('e2e') === true

export default defineConfig({
  test: {
    include: suite ? suites[suite] : suites.unit,
    exclude: ['**/node_modules/**', ...(suite === 'unit' ? others : [])],
    globalSetup: globalSetup.filter(file => existsSync(new URL(file, import.meta.url))),
    env: suite === 'stack-e2e' ? { KEEPSAKE_TARGET: 'stack' } : {},
    setupFiles: existsSync(new URL('libs/telemetry/dist/logger.js', import.meta.url)) ? ['vitest.setup.js'] : [],
    pool: 'forks',
    // Loading libraries anew for each of many short files would cost as much as their tests.
    isolate: slow || onStack,
    maxWorkers: alone ? 1 : 2,
    fileParallelism: !alone,
    // A limit is there for what hangs: on a machine six times slower than ours nothing that works meets it.
    testTimeout: slow ? 600_000 : 120_000,
    hookTimeout: slow ? 600_000 : 180_000,
    teardownTimeout: 20_000,
    // Compiled files are Node's own modules: loaded by Node, not transformed, as in production.
    server: { deps: { external: [/\/dist\/(?!.*\.test\.js$)/, /\/node_modules\//] } },
    reporters: ['default'],
    passWithNoTests: true,
  },
})
