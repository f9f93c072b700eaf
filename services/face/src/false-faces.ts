import type { Detection } from './detection.js'
import { boundsOf, centreOf, distance, heightOf, meanOf, sideOf, widthOf } from './geometry.js'
import { at, eyeAngle, leftEye, mouth, rightEye, type Landmarks } from './landmarks.js'

/** A face of the close-up detector alone that is smaller than this part of the picture's long side is no close-up ... */
const CLOSE_UP_SHARE = 0.2
/** ... and is believed only from this score on: below it, it finds faces in flowers and towers, and the wide detector's once more. */
const SMALL_CLOSE_UP_SCORE = 0.75
/**
 * A face from this part of the long side on, of which the close-up detector is less sure than this, must be this sure to the wide one. Dogs, however they are turned, get up to
 * 0.66 and 0.87; in the shared data no person is as unlikely to both.
 */
const UNSEEN_SHARE = 0.2
const UNSEEN_UPRIGHT = 0.7
const UNSEEN_SCORE = 0.88
/** A face from this part of the long side on is cut off by the frame, and people get down to 0.67 with the close-up detector too. */
const CUT_OFF_SHARE = 0.75
const UNSEEN_CUT_OFF = 0.5
/** Features closer together than these parts of the box are a profile's or no face's: the detector must be this sure. */
const USUAL_DISTANCE = 0.2
const USUAL_MOUTH = 0.15
const SQUEEZED_SCORE = 0.6
/** Neither detector finds faces turned further, so landmarks that say so were drawn into something else. Radians. */
const LARGEST_TILT = Math.PI / 3

/**
 * Whether a detection is a face. The landmark network draws some face into anything; on what is none it comes out squashed, off the box or on its
 * head. Over the shared data real faces have eyes 0.15 to 0.48 and eyes to mouth 0.15 to 0.49 of the box apart.
 */
export function looksLikeAFace(face: Detection & { landmarks: Landmarks }, longSide: number): boolean {
  const { box, score, detector, landmarks } = face
  const side = sideOf(box)
  if (detector === 'closeUp' && side < CLOSE_UP_SHARE * longSide && score < SMALL_CLOSE_UP_SCORE) return false
  const leastUpright = side >= CUT_OFF_SHARE * longSide ? UNSEEN_CUT_OFF : UNSEEN_UPRIGHT
  if (detector === 'wide' && face.upright < leastUpright && side >= UNSEEN_SHARE * longSide && score < UNSEEN_SCORE)
    return false
  const left = leftEye(landmarks)
  const right = rightEye(landmarks)
  const angle = eyeAngle(landmarks)
  if (Math.abs(angle) > LARGEST_TILT) return false
  const between = distance(left, right) / side
  const eyes = meanOf([left, right])
  const lips = mouth(landmarks)
  // How far the mouth lies below the eyes, along the face's own axis.
  const below = (-(lips.x - eyes.x) * Math.sin(angle) + (lips.y - eyes.y) * Math.cos(angle)) / side
  const bounds = boundsOf(landmarks)
  const size = Math.max(widthOf(bounds), heightOf(bounds)) / side
  const offset = distance(centreOf(bounds), centreOf(box)) / side
  const mouthWidth = distance(at(landmarks, 48), at(landmarks, 54)) / side
  const isSqueezed = Math.min(between, below) < USUAL_DISTANCE || mouthWidth < USUAL_MOUTH
  if (isSqueezed && score < SQUEEZED_SCORE) return false
  return between > 0.1 && below > 0.1 && size > 0.4 && size < 1.6 && offset < 0.5
}
