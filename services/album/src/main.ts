import { runMain } from '@keepsake/rpc'
import { startAlbum } from './service.js'

await runMain(startAlbum)
