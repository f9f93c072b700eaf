import { formatBytes, formatSeconds, plural, type Found } from 'keepsake'

// With faces: `npm start -- import ../shared/data/deepface --consent-faces` took 92 s of processor time for 64 photos, models and
// movie included, on two cores (22 Nov 2026). The others are estimates, not measured yet: they only set expectations.
const secondsPerPhoto = 0.25
const secondsPerPhotoWithFaces = 0.9
const secondsPerVideoMegabyte = 1.2
const renditionBytesPerPhoto = 350e3
const renditionShareOfVideo = 0.6

/** What an import will take. */
export interface Estimate {
  photos: number
  videos: number
  /** Sidecars. */
  others: number
  bytes: number
  seconds: number
  /** Bytes that the home will grow by. */
  disk: number
}

/** Time and disk for what was found; upper figures on a small machine. */
export function estimate(found: Found, faces: boolean): Estimate {
  const of = (role: string) => found.files.filter(file => file.role === role)
  const bytes = found.files.reduce((sum, file) => sum + file.size, 0)
  const videoBytes = of('video').reduce((sum, file) => sum + file.size, 0)
  const photos = of('photo').length
  return {
    photos,
    videos: of('video').length,
    others: of('sidecar').length,
    bytes,
    seconds:
      photos * (faces ? secondsPerPhotoWithFaces : secondsPerPhoto) + (videoBytes / 1e6) * secondsPerVideoMegabyte,
    disk: bytes + photos * renditionBytesPerPhoto + videoBytes * renditionShareOfVideo,
  }
}

/** One line for a person. */
export const describeEstimate = (e: Estimate): string => {
  const others = e.others > 0 ? `, ${plural(e.others, 'file')} beside them` : ''
  return `${plural(e.photos, 'photo')} and ${plural(e.videos, 'video')}${others} (${formatBytes(e.bytes)}): about ${formatSeconds(e.seconds)} and ${formatBytes(e.disk)} of disk.`
}
