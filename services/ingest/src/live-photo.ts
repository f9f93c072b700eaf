import { stemOf } from './sidecar.js'

/** One half of a live photo, as far as it is known. */
export interface Half {
  readonly id: string
  readonly fileName: string
  /** Folder inside the import; undefined where the upload came alone. */
  readonly folder?: string | undefined
  /** Import or sender that both halves share; names are compared only within it. */
  readonly scope: string
  readonly contentIdentifier?: string | undefined
  /** Capture time, epoch ms, and whether more than the file's date says so. */
  readonly at: number
  readonly dated: boolean
}

/** A clip with its length in seconds. */
export interface Clip extends Half {
  readonly durationS: number
}

/** Phones record 1.5 s before and after; exports run up to 5 s at times. */
const LONGEST_CLIP_S = 6
/** The clip begins before its still. */
const CLOSE_MS = 5_000

/**
 * Whether a still and a clip are one live photo: the same content identifier; where one of them lost it, the same base name in the
 * same folder of the same import, taken within 5 s of one another, and a clip of at most 6 s.
 */
export function isLivePair(still: Half, clip: Clip): boolean {
  if (still.contentIdentifier !== undefined && clip.contentIdentifier !== undefined) {
    return still.contentIdentifier === clip.contentIdentifier
  }
  if (still.scope !== clip.scope || still.folder !== clip.folder || still.folder === undefined) return false
  if (liveStem(still.fileName) !== liveStem(clip.fileName)) return false
  if (!(clip.durationS > 0 && clip.durationS <= LONGEST_CLIP_S)) return false
  return still.dated && clip.dated && Math.abs(still.at - clip.at) <= CLOSE_MS
}

/** Pairs every still with at most one clip, by content identifier first; the answer does not depend on the order of arrival. */
export function pairLivePhotos(stills: readonly Half[], clips: readonly Clip[]): { stillId: string; clipId: string }[] {
  const byId = <T extends Half>(list: readonly T[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1))
  const free = new Set(byId(clips))
  const pairs: { stillId: string; clipId: string }[] = []
  const taken = new Set<string>()
  const identified = (still: Half, clip: Clip) =>
    still.contentIdentifier !== undefined && still.contentIdentifier === clip.contentIdentifier
  for (const fits of [identified, isLivePair]) {
    for (const still of byId(stills)) {
      if (taken.has(still.id)) continue
      const clip = [...free].find(c => fits(still, c))
      if (!clip) continue
      taken.add(still.id)
      free.delete(clip)
      pairs.push({ stillId: still.id, clipId: clip.id })
    }
  }
  return pairs.sort((a, b) => (a.stillId < b.stillId ? -1 : 1))
}

/** The base name that both halves share: exports add `_HEVC` or `(1)` to the clip alone at times. */
export const liveStem = (fileName: string): string => stemOf(fileName).replace(/[_-](?:hevc|live)$/, '')
