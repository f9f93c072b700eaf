import type { ModelName, RunOptions } from '@keepsake/inference'
import { decodeCloseUp, type Detection } from './detection.js'
import type { Models } from './detector.js'
import { CLOSE_UP_SIZE, closeUpLetterboxes, release } from './letterbox.js'
import type { Picture } from './picture.js'
import { turned, type QuarterTurns } from './quarter-turns.js'

/** The models that turned pictures are found with. */
export const TURNING_MODELS: readonly ModelName[] = ['facemesh_detection_full']

const UPRIGHT: QuarterTurns = 0
const TURNS: readonly QuarterTurns[] = [UPRIGHT, 1, 2, 3]
/** Where faces lie is of no interest here. */
const UNSCALED = { scale: 1, offsetX: 0, offsetY: 0 }
/** A picture is believed to be turned only where its faces weigh this at least: the sum of scores, one clear face. */
const LEAST_WEIGHT = 0.75

/**
 * By how many quarters a picture must be turned clockwise for its faces to stand upright, judged by BlazeFace alone, which hardly finds a face that does not: eight
 * runs of its small network, a third of one look by the union. 0 where nothing says otherwise.
 */
export async function likelyTurns(picture: Picture, models: Models, options: RunOptions): Promise<QuarterTurns> {
  const letterboxes = closeUpLetterboxes(picture)
  const weightAt = async (turns: QuarterTurns) => {
    const sums = await Promise.all(
      letterboxes.map(async ({ pixels }) => {
        const { data } = turned({ data: pixels, width: CLOSE_UP_SIZE, height: CLOSE_UP_SIZE }, turns)
        const { detections } = await models.run('facemesh_detection_full', { rows: 1, data }, options)
        return weightOf(decodeCloseUp(detections as Float32Array, UNSCALED))
      }),
    )
    return Math.max(...sums)
  }
  const weights = await Promise.all(TURNS.map(weightAt))
  for (const letterbox of letterboxes) release(letterbox)
  const heaviest = Math.max(...weights)
  return heaviest < LEAST_WEIGHT ? UPRIGHT : (TURNS[weights.indexOf(heaviest)] ?? UPRIGHT)
}

function weightOf(detections: readonly Detection[]): number {
  return detections.reduce((sum, { score }) => sum + score, 0)
}
