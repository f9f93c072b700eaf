import { beNiceAltogether } from '@keepsake/config/niceness'
import { serveJobs } from './child-runtime.js'
import { allowOnlyPhotos, openImage } from './image-input.js'
import type { DecodeRgbOptions, RenderImageJob } from './image-types.js'
import { liveMarkers, writeMotionPhotoVideo } from './live-photo.js'
import { decodeRgb, frugal, renderImage } from './render-image.js'

// Entry of the child that decodes stills. See ChildPool for its life.
beNiceAltogether(Number(process.argv[2]))
frugal()
allowOnlyPhotos()

serveJobs({
  probe: ({ file, maxPixels }: { file: string; maxPixels: number }) => openImage(file, maxPixels),
  render: ({ job, maxPixels }: { job: RenderImageJob; maxPixels: number }) => renderImage(job, maxPixels),
  rgb: ({ file, options, maxPixels }: { file: string; options: DecodeRgbOptions; maxPixels: number }) =>
    decodeRgb(file, options, maxPixels),
  liveMarkers: ({ file }: { file: string }) => liveMarkers(file),
  motionPhotoVideo: ({ file, target }: { file: string; target: string }) => writeMotionPhotoVideo(file, target),
})
