/** Which second of a video to show: faces, smiles, voices and calm motion speak for it. Pure. */

/** What is known of a video over time. Every list may be empty: then the middle of the video is taken. */
export interface VideoFacts {
  durationS: number
  /** Faces at sampled times: `size` is the share of the picture's height, `smile` 0..1, `weight` as in framing. */
  faces: readonly { atS: number; size: number; smile: number; weight: number }[]
  /** Loudness of each whole second in LUFS (or dBFS); silence is -70 or less. */
  loudness: readonly number[]
  /** Motion of each whole second, 0 (still) to 1 (everything moves); it may end before a long video does, and nothing is known from there on. */
  motion: readonly number[]
  /** Only the clip of a live photo: when its still was taken, seconds. */
  momentS?: number
}

/** The chosen start and why, in words for the storyboard. */
export interface BestSecond {
  startS: number
  score: number
  reason: string
}

const STEP_S = 0.25
/** People start and stop filming with a shake. */
const EDGE_S = 0.5

/** Picks the window of `windowS` seconds with the highest score; the earliest wins a tie. */
export function bestSecond(video: VideoFacts, windowS = 1): BestSecond {
  const room = video.durationS - windowS
  if (room <= 0) return { startS: 0, score: 0, reason: 'the whole clip' }
  const edge = Math.min(EDGE_S, room / 2)
  let best: BestSecond | undefined
  for (let i = 0; edge + i * STEP_S <= room - edge + 1e-9; i++) {
    const startS = edge + i * STEP_S
    const scored = scoreWindow(video, startS, windowS)
    if (!best || scored.score > best.score + 1e-9) best = { startS: Math.round(startS * 1000) / 1000, ...scored }
  }
  if (!best || best.score <= 0) return { startS: Math.round((room / 2) * 1000) / 1000, score: 0, reason: 'the middle' }
  return best
}

function scoreWindow(video: VideoFacts, startS: number, windowS: number): { score: number; reason: string } {
  const inside = video.faces.filter(f => f.atS >= startS - 0.25 && f.atS <= startS + windowS + 0.25)
  const samples = new Set(inside.map(f => f.atS)).size || 1
  const face = inside.reduce((sum, f) => sum + f.weight * Math.min(1, f.size / 0.35), 0) / samples
  const smile = inside.reduce((sum, f) => sum + f.weight * f.smile, 0) / samples
  const loud = mean(video.loudness, startS, windowS) ?? -70
  const voice = clamp01((loud + 50) / 30)
  const moving = mean(video.motion, startS, windowS) ?? 0
  const calm = moving <= 0.35 ? moving / 0.35 : Math.max(-0.5, 1 - (moving - 0.35) / 0.3)
  const off = video.momentS === undefined ? windowS : Math.abs(startS + windowS / 2 - video.momentS)
  const parts: [string, number][] = [
    // What was worth a picture: its moment in the middle weighs as much as smiles do.
    ['the picture itself', 2 * Math.max(0, 1 - off / windowS)],
    ['faces', 3 * Math.min(2, face)],
    ['smiles', 2 * Math.min(2, smile)],
    ['voices', video.loudness.length > 0 ? voice : 0],
    ['motion', 0.5 * calm],
  ]
  const named = parts.filter(([, v]) => v > 0.3).map(([name]) => name)
  return {
    score: parts.reduce((sum, [, v]) => sum + v, 0),
    reason: named.length > 0 ? `the second with ${named.join(', ')}` : 'a calm second',
  }
}

const clamp01 = (v: number): number => Math.min(1, Math.max(0, v))

/** Mean of a per-second series over a window that may straddle two seconds: of what lies within the series, undefined where nothing does. */
function mean(series: readonly number[], startS: number, windowS: number): number | undefined {
  let sum = 0
  let weight = 0
  for (let s = Math.floor(startS); s < Math.min(series.length, startS + windowS); s++) {
    const share = Math.min(s + 1, startS + windowS) - Math.max(s, startS)
    sum += share * (series[s] ?? 0)
    weight += share
  }
  return weight > 0 ? sum / weight : undefined
}
