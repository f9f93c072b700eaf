/** Bytes of a source, both ends inclusive. */
export interface Stretch {
  /** Number of the source in the list. */
  source: number
  from: number
  to: number
}

/** One part of the object to be made: copied inside the store, or read and sent because it is too small to be copied alone. */
export type PlannedPart = { kind: 'copy'; stretch: Stretch } | { kind: 'send'; stretches: Stretch[] }

/** Sizes in bytes that S3 allows a part to have; the last one may be smaller. */
export interface PartLimits {
  smallest: number
  largest: number
}

/**
 * Plans how sources of these sizes become the parts of one object: as much as possible is copied inside the store, and what is smaller than a
 * part may be is gathered, with as much of its successor as makes it large enough. At most `smallest` bytes are in a part that is sent.
 */
export function planParts(sizes: readonly number[], limits: PartLimits): PlannedPart[] {
  const parts: PlannedPart[] = []
  let gathered: Stretch[] = []
  let bytes = 0
  const send = () => {
    if (bytes > 0) parts.push({ kind: 'send', stretches: gathered })
    gathered = []
    bytes = 0
  }
  for (const [source, size] of sizes.entries()) {
    let at = 0
    if (bytes > 0) {
      const taken = Math.min(size, limits.smallest - bytes)
      if (taken > 0) gathered.push({ source, from: 0, to: taken - 1 })
      bytes += taken
      at = taken
      if (bytes >= limits.smallest) send()
    }
    // What is left of the source is cut evenly: no piece may be too small or too large.
    const left = size - at
    if (left >= limits.smallest) {
      const pieces = Math.ceil(left / limits.largest)
      for (let i = 0; i < pieces; i++) {
        const from = at + Math.floor((left * i) / pieces)
        const to = at + Math.floor((left * (i + 1)) / pieces) - 1
        parts.push({ kind: 'copy', stretch: { source, from, to } })
      }
    } else if (left > 0) {
      gathered.push({ source, from: at, to: size - 1 })
      bytes += left
    }
  }
  send()
  return parts
}
