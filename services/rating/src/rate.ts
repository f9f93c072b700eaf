import { sentence } from './reasons.js'

/** A face on an item as far as the rating looks at it. All shares and scores 0..1. */
export interface RatedFace {
  /** Share of the picture that the box covers. */
  area: number
  sharpness: number
  smile: number
  /** 1 = both eyes open. */
  eyesOpen: number
  /** Probability that it is a child; 1 for a registered one. */
  child: number
  /** Belongs to a registered child of the family. */
  registered: boolean
  /** The person, where the name is known. */
  named?: string
}

/** Everything that moves the rating of one item. */
export interface RatingInput {
  kind: 'photo' | 'video' | 'live'
  faces: readonly RatedFace[]
  /** Members who marked the item as favourite. */
  favourites: number
  comments: number
  /** everyone, groups, members, parents: from the widest to the narrowest. */
  audience: string
  /** 0..1, 1 is best; absent while unknown. */
  quality?: { sharpness: number; exposure: number; resolution: number }
  /** A near duplicate of it is better. */
  duplicate: boolean
  /** screenshot, document, receipt; empty for a family picture. */
  mundane: string
  /** Only the file's date is known. */
  fileDated: boolean
  /** less or never where a block covers the item. */
  blocked: string
}

/** One component of a rating in words. */
export interface RatingPart {
  name: string
  points: number
  /** English sentence. */
  reason: string
  /** For other languages. */
  reasonKey: string
  reasonParams: Record<string, string>
}

/** A rating: value 0..100 and what it is made of. The value is the sum of the parts, kept within 0..100. */
export interface Rated {
  value: number
  parts: RatingPart[]
}

/**
 * Points of each component at its most. Children weigh most, then what people did (favourites, comments), then how the picture is; what makes
 * an item useless in any product takes more away than everything else can give. `../README.md` says how they were chosen.
 */
export const POINTS = {
  base: 28,
  children: 16,
  registered: 4,
  smiles: 9,
  eyesOpen: 3,
  eyesShut: -7,
  faceSize: 7,
  faceSharp: 5,
  faceBlurred: -5,
  perNamed: 3,
  named: 9,
  favourites: 18,
  comments: 12,
  everyone: 3,
  groups: 1,
  qualityBest: 8,
  qualityWorst: -10,
  duplicate: -25,
  mundane: -60,
  fileDated: -5,
  less: -35,
  never: -100,
} as const

/** A face of this share of the picture counts in full; a passport-sized one in the crowd hardly. */
const FULL_AREA = 0.06

/** How much a face counts, 0..1. */
const prominence = (face: RatedFace): number => Math.min(1, Math.sqrt(unit(face.area) / FULL_AREA))

/** Rates one item. Every component moves in one direction with each of its inputs; none is random or remembers anything. */
export function rate(input: RatingInput): Rated {
  const parts = [
    part('base', POINTS.base, 'base', {}),
    ...childParts(input.faces),
    ...faceParts(input.faces),
    ...peopleParts(input),
    ...pictureParts(input),
    ...markParts(input),
  ]
  const sum = parts.reduce((s, p) => s + p.points, 0)
  return { value: round(Math.min(100, Math.max(0, sum))), parts }
}

/** Below this a face counts as no child at all: most adults have some probability left. */
const HARDLY = 0.2

function childParts(faces: readonly RatedFace[]): RatingPart[] {
  // Each further child adds less: 1 - (1-p)(1-q)… with 0.7 for the first.
  const none = faces.reduce((rest, f) => rest * (1 - 0.7 * Math.max(0, (unit(f.child) - HARDLY) / (1 - HARDLY))), 1)
  const children = faces.filter(f => f.child >= 0.5).length
  const registered = faces.some(f => f.registered)
  const points = POINTS.children * (1 - none) + (registered ? POINTS.registered : 0)
  if (round(points) === 0) return []
  const key = registered ? 'children-known' : children ? 'children' : 'children-maybe'
  return [part('children', points, key, { count: String(Math.max(1, children)) })]
}

function faceParts(faces: readonly RatedFace[]): RatingPart[] {
  if (faces.length === 0) return []
  const seen = faces.map(f => ({ ...f, weight: 0.15 + 0.85 * prominence(f) }))
  const total = seen.reduce((s, f) => s + f.weight, 0)
  const mean = (of: (f: RatedFace) => number): number => seen.reduce((s, f) => s + f.weight * unit(of(f)), 0) / total
  const straight = seen.reduce((rest, f) => rest * (1 - 0.75 * unit(f.smile) * f.weight), 1)
  const eyes = mean(f => f.eyesOpen)
  const sharp = mean(f => f.sharpness)
  const largest = Math.max(...faces.map(prominence))
  const between = (worst: number, best: number, x: number): number => worst + (best - worst) * x
  return [
    part('smiles', POINTS.smiles * (1 - straight), 1 - straight >= 0.35 ? 'smiles' : 'smiles-few', {}),
    part('eyes', between(POINTS.eyesShut, POINTS.eyesOpen, eyes), eyes >= 0.7 ? 'eyes-open' : 'eyes-shut', {}),
    part('face-size', POINTS.faceSize * largest, largest >= 0.6 ? 'face-large' : 'face-small', {}),
    part(
      'face-sharpness',
      between(POINTS.faceBlurred, POINTS.faceSharp, sharp),
      sharp >= 0.5 ? 'face-sharp' : 'face-blurred',
      {},
    ),
  ].filter(p => p.points !== 0)
}

function peopleParts(input: RatingInput): RatingPart[] {
  const named = new Set(input.faces.map(f => f.named).filter(n => n !== undefined)).size
  const parts: RatingPart[] = []
  if (named)
    parts.push(
      part('named-people', Math.min(POINTS.named, named * POINTS.perNamed), 'named-people', { count: String(named) }),
    )
  // Half of what is left with every member who likes it; a comment says a little less than a favourite.
  const f = Math.max(0, input.favourites)
  if (f) parts.push(part('favourites', POINTS.favourites * (1 - 0.5 ** f), 'favourites', { count: String(f) }))
  const c = Math.max(0, input.comments)
  if (c) parts.push(part('comments', POINTS.comments * (1 - 0.6 ** c), 'comments', { count: String(c) }))
  const audience = input.audience === 'everyone' ? POINTS.everyone : input.audience === 'groups' ? POINTS.groups : 0
  if (audience) parts.push(part('audience', audience, `audience-${input.audience}`, {}))
  return parts
}

function pictureParts({ quality }: RatingInput): RatingPart[] {
  if (!quality) return []
  const q = 0.5 * unit(quality.sharpness) + 0.3 * unit(quality.exposure) + 0.2 * unit(quality.resolution)
  const points = POINTS.qualityWorst + (POINTS.qualityBest - POINTS.qualityWorst) * q
  return [part('quality', points, q >= 0.75 ? 'quality-good' : q >= 0.5 ? 'quality-fair' : 'quality-poor', {})]
}

function markParts(input: RatingInput): RatingPart[] {
  const parts: RatingPart[] = []
  if (input.duplicate) parts.push(part('duplicate', POINTS.duplicate, 'duplicate', {}))
  if (input.mundane) parts.push(part('mundane', POINTS.mundane, 'mundane', { what: input.mundane }))
  if (input.fileDated) parts.push(part('date', POINTS.fileDated, 'date-file', {}))
  if (input.blocked === 'never') parts.push(part('block', POINTS.never, 'block-never', {}))
  else if (input.blocked) parts.push(part('block', POINTS.less, 'block-less', {}))
  return parts
}

function part(name: string, points: number, reasonKey: string, reasonParams: Record<string, string>): RatingPart {
  return { name, points: round(points), reason: sentence(reasonKey, reasonParams), reasonKey, reasonParams }
}

/** One decimal: finer digits would only pretend. Adding 0 turns -0 into 0. */
const round = (x: number): number => Math.round(x * 10) / 10 + 0
const unit = (x: number): number => (Number.isFinite(x) ? Math.min(1, Math.max(0, x)) : 0)
