import { runMain } from '@keepsake/rpc'
import { startFace } from './service.js'

await runMain(startFace)
