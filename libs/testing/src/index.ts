export {
  serverVariable,
  startTestServer,
  testDatabase,
  type TestDatabase,
  type TestSchema,
  type TestServer,
} from '@keepsake/db/testing/index'
export { FaultProxy, type Disturbance } from './fault-proxy.js'
export { processTree, pssMiB, treePssMiB } from './process-memory.js'
export { seededRandom, type SeededRandom } from './seeded-random.js'
export { sharedData } from './shared-data.js'
export { skipUnless } from './skip-unless.js'
export { until } from './until.js'
