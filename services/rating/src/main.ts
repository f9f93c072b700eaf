import { runMain } from '@keepsake/rpc'
import { startRating } from './service.js'

await runMain(startRating)
