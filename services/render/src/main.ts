import { runMain } from '@keepsake/rpc'
import { startRender } from './service.js'

await runMain(startRender)
