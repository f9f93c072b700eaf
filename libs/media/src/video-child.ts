import { beNiceAltogether } from '@keepsake/config/niceness'
import { Log } from 'node-av/lib'
import { AV_LOG_QUIET } from 'node-av/constants'
import { serveJobs } from './child-runtime.js'
import { posterFrame, sendFrames } from './video-frames.js'
import { probeVideo } from './video-probe.js'
import { extractAudio, loudness } from './video-sound.js'
import { transcodePlayback } from './video-transcode.js'

// Entry of the child that works on videos. FFmpeg's own words about a broken file are of no use to anybody here.
Log.setLevel(AV_LOG_QUIET)
// A film of minutes must not hold up a photo. FFmpeg's threads begin later and inherit it.
beNiceAltogether(Number(process.argv[2]))

serveJobs({
  probe: ({ file, maxPixels }: { file: string; maxPixels: number }) => probeVideo(file, maxPixels),
  poster: posterFrame,
  frames: sendFrames,
  transcode: transcodePlayback,
  loudness: ({ file, maxPixels }: { file: string; maxPixels: number }) => loudness(file, maxPixels),
  audio: extractAudio,
})
