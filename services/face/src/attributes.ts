import { distance } from './geometry.js'
import { at, eyeAngle, leftEye, mouth, rightEye, type Landmarks } from './landmarks.js'

/** The expression network's classes, in the order of its output. */
export const EXPRESSIONS = ['neutral', 'happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised'] as const
export type Expression = (typeof EXPRESSIONS)[number]

/** Mean absolute errors of age_gender by true age (face-api's README): up to this age, so many years. */
const AGE_ERRORS = [
  { upTo: 3.5, years: 1.5 },
  { upTo: 8.5, years: 3.1 },
  { upTo: 18.5, years: 4.8 },
  { upTo: 28.5, years: 5.0 },
  { upTo: 40.5, years: 5.4 },
  { upTo: 60.5, years: 5.0 },
  { upTo: Infinity, years: 6.2 },
]
/** Standard deviation over mean absolute error of a bell curve: sqrt(pi / 2). */
const DEVIATION_PER_ERROR = 1.2533
/** An unsharp or turned face is guessed worse: the spread grows to at most this factor. */
const WORST_QUALITY_FACTOR = 2

/** Years with one standard deviation. `quality` is the face's, 0 to 1. */
export function ageWithSpread(years: number, quality: number): { age: number; ageSpread: number } {
  const age = Math.max(0, years)
  const error = AGE_ERRORS.find(({ upTo }) => age <= upTo)?.years ?? 6.2
  const factor = WORST_QUALITY_FACTOR - (WORST_QUALITY_FACTOR - 1) * Math.min(1, Math.max(0, quality))
  return { age, ageSpread: error * DEVIATION_PER_ERROR * factor }
}

/** The likeliest expression, and how much of a smile there is: the probability of `happy`. */
export function expressionOf(probabilities: ArrayLike<number>): { expression: Expression; smile: number } {
  let best = 0
  for (let i = 1; i < EXPRESSIONS.length; i++)
    if ((probabilities[i] as number) > (probabilities[best] as number)) best = i
  return { expression: EXPRESSIONS[best] as Expression, smile: probabilities[1] as number }
}

/** Height over width of an eye below which it counts as shut, and above which as open (Soukupová and Čech 2016 blink at 0.2). */
const EYE_SHUT = 0.14
const EYE_OPEN = 0.24

/** 0 both eyes shut to 1 both open, from the narrower eye: one shut eye spoils a picture. */
export function eyesOpen(points: Landmarks): number {
  const ratio = (outer: number, top1: number, top2: number, inner: number, low2: number, low1: number) => {
    const height = distance(at(points, top1), at(points, low1)) + distance(at(points, top2), at(points, low2))
    const width = 2 * distance(at(points, outer), at(points, inner))
    return width === 0 ? 0 : height / width
  }
  const narrower = Math.min(ratio(36, 37, 38, 39, 40, 41), ratio(42, 43, 44, 45, 46, 47))
  return clamp((narrower - EYE_SHUT) / (EYE_OPEN - EYE_SHUT))
}

/** Degrees. Yaw: the face is turned to the picture's right; pitch: it looks up; roll: it leans clockwise. */
export interface Pose {
  yaw: number
  pitch: number
  roll: number
}

/** The tip of the nose stands out of the plane of eyes and mouth by so much of the distance between the eyes (adult means: 37 of 63 mm). */
const NOSE_DEPTH = 0.59
/** Where the tip lies between eyes and mouth in a face that looks straight ahead, 0 at the eyes. */
const LEVEL_NOSE = 0.6

/** Pose from where the tip of the nose lies between eyes and mouth (weak perspective): good to some ten degrees, enough to tell profile from front. */
export function poseOf(points: Landmarks): Pose {
  const left = leftEye(points)
  const right = rightEye(points)
  const lips = mouth(points)
  const nose = at(points, 30)
  const angle = eyeAngle(points)
  const eyes = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 }
  const level = (point: { x: number; y: number }) => ({
    x: (point.x - eyes.x) * Math.cos(angle) + (point.y - eyes.y) * Math.sin(angle),
    y: -(point.x - eyes.x) * Math.sin(angle) + (point.y - eyes.y) * Math.cos(angle),
  })
  const between = Math.max(1e-6, distance(left, right))
  const tip = level(nose)
  const chinwards = level(lips)
  // The nose of a face that leans within its plane lies on the line from the eyes to the mouth.
  const sideways = tip.x - chinwards.x * LEVEL_NOSE
  const upwards = chinwards.y * LEVEL_NOSE - tip.y
  const degrees = (offset: number, unit: number) => (Math.atan2(offset, unit * NOSE_DEPTH) * 180) / Math.PI
  return {
    yaw: degrees(sideways, between),
    pitch: degrees(upwards, Math.max(between, Math.abs(chinwards.y))),
    roll: (angle * 180) / Math.PI,
  }
}

/** How frontal a pose is: 1 straight ahead, 0 in profile. */
export function frontality({ yaw, pitch }: Pose): number {
  const cos = (degrees: number) => Math.max(0, Math.cos((degrees * Math.PI) / 180))
  return cos(yaw) * cos(pitch)
}

/** x within 0 and 1. */
export const clamp = (x: number): number => Math.min(1, Math.max(0, x))
