/** When a video is looked at for faces: more often where it moves, at least once in every scene. Pure. */

/** Frames of one video that are looked at, at most: what a long film costs has a bound. */
export const MAX_LOOKS = 60
/** What is shorter than this, seconds, is one frame. */
const SHORTEST = 0.02
/** A clip of few seconds is looked at so often. */
const LEAST_LOOKS = 4
/** Looks for a second in which nothing moves, in which all moves, and of which nothing is known. */
const STILL = 0.5
const LIVELY = 2
const UNKNOWN = 1
/**
 * Motion of a second (0..1, as ingest measures it) that counts as all moving. One cut alone gives about a fifth: it is seen in one of the five comparisons
 * of its second.
 */
const FULL_MOTION = 0.2
/** A second moves so many times as much as those around it where one scene ends in it. */
const CUT_OVER_NEIGHBOURS = 3

/**
 * Seconds at which the frames are looked at, ascending, at least one and at most `MAX_LOOKS`.
 *
 * @param duration seconds, 0 or more
 * @param motion how much each second moves, 0..1; empty or shorter than the video where that is not known
 */
export function samplingTimes(duration: number, motion: readonly number[]): number[] {
  if (!(duration >= SHORTEST)) return [0]
  const scenes = scenesOf(duration, motion)
  const wanted = scenes.map(scene => sum(scene.looks))
  const looks = Math.round(Math.min(MAX_LOOKS, Math.max(LEAST_LOOKS, sum(wanted))))
  const shares = share(wanted, looks)
  return scenes.flatMap((scene, i) => spread(scene, shares[i] as number))
}

/** A stretch without a cut: looks wanted in each of its seconds, the last of which may be shorter. */
interface Scene {
  start: number
  end: number
  looks: number[]
}

/** The video's scenes in order; a scene ends with the second in which the cut lies. */
function scenesOf(duration: number, motion: readonly number[]): Scene[] {
  const scenes: Scene[] = []
  let open: Scene = { start: 0, end: 0, looks: [] }
  for (let second = 0; second < duration; second++) {
    const length = Math.min(1, duration - second)
    const known = motion[second]
    open.looks.push(
      length * (known === undefined ? UNKNOWN : STILL + (LIVELY - STILL) * Math.min(1, known / FULL_MOTION)),
    )
    open.end = second + length
    if (!isCut(motion, second) || open.end >= duration) continue
    scenes.push(open)
    open = { start: open.end, end: open.end, looks: [] }
  }
  scenes.push(open)
  return scenes
}

function isCut(motion: readonly number[], second: number): boolean {
  const here = motion[second] ?? 0
  const around = Math.max(motion[second - 1] ?? 0, motion[second + 1] ?? 0)
  return here >= FULL_MOTION * 0.75 && here >= CUT_OVER_NEIGHBOURS * around
}

/** Shares `looks` out: one for each scene, where there are more scenes than looks the longest ones; the rest by what is wanted (D'Hondt). */
function share(wanted: readonly number[], looks: number): number[] {
  const shares = wanted.map(() => 0)
  for (let given = 0; given < looks; given++) {
    let best = 0
    for (let i = 1; i < wanted.length; i++) if (claim(i) > claim(best)) best = i
    shares[best]!++
  }
  return shares

  function claim(i: number): number {
    // A scene that has none yet comes before any second look; among those the one that wants most.
    return shares[i] === 0 ? wanted[i]! + MAX_LOOKS * LIVELY * wanted.length : wanted[i]! / (shares[i]! + 1)
  }
}

/** The middles of `count` parts of a scene that want the same. */
function spread({ start, end, looks }: Scene, count: number): number[] {
  const part = sum(looks) / count
  const times: number[] = []
  let before = 0
  looks.forEach((want, second) => {
    const length = Math.min(1, end - start - second)
    for (let next = (times.length + 0.5) * part; times.length < count && next <= before + want; next += part)
      times.push(start + second + ((next - before) / want) * length)
    before += want
  })
  // Rounding of the sums may leave the last one over.
  while (times.length < count) times.push(end)
  return times
}

const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0)
