import { runMain } from '@keepsake/rpc'
import { startFamily } from './service.js'

await runMain(startFamily)
