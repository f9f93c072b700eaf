import { runMain } from '@keepsake/rpc'
import { startCluster } from './service.js'

await runMain(startCluster)
