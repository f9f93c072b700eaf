import type { Correction } from '../api.ts'

const key = 'keepsake.left-disagreements'
/** Remembered in this browser, at most; the oldest go first. */
const remembered = 500

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem'>

const nameOf = (correction: Correction): string => `${correction.id}:${correction.overruledBy?.correctionId ?? ''}`

function left(storage: Storage): string[] {
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? '[]')
    return Array.isArray(kept) ? kept.filter(one => typeof one === 'string') : []
  } catch {
    return []
  }
}

/** Overruled words that nobody decided to leave so in this browser. A word that is overruled anew is shown again. */
export function openOnes(
  corrections: readonly Correction[],
  storage: Storage,
): { correction: Correction; later: NonNullable<Correction['overruledBy']> }[] {
  const known = new Set(left(storage))
  return corrections.flatMap(correction =>
    correction.overruledBy && !known.has(nameOf(correction)) ? [{ correction, later: correction.overruledBy }] : [],
  )
}

/** Remembers that this stays as it is. */
export function leaveIt(correction: Correction, storage: Storage): void {
  storage.setItem(key, JSON.stringify([...left(storage), nameOf(correction)].slice(-remembered)))
}
