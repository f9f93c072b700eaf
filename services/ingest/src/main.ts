import { runMain } from '@keepsake/rpc'
import { startIngest } from './service.js'

await runMain(startIngest)
