import { runMain } from '@keepsake/rpc'
import { startGateway } from './service.js'

await runMain(startGateway)
