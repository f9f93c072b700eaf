/** A pair of clusters waiting to be joined, with the versions of both when it was scored. */
export interface Candidate {
  score: number
  a: number
  b: number
  va: number
  vb: number
}

/** Best pair first; equal scores in canonical order of the pair, so that the order of insertion never shows. */
export class CandidateHeap {
  readonly #items: Candidate[] = []

  get size(): number {
    return this.#items.length
  }

  push(item: Candidate): void {
    const items = this.#items
    items.push(item)
    let i = items.length - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = item
  }

  pop(): Candidate | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) return top
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, last)) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return top
  }
}

function before(p: Candidate, q: Candidate): boolean {
  if (p.score !== q.score) return p.score > q.score
  if (p.a !== q.a) return p.a < q.a
  if (p.b !== q.b) return p.b < q.b
  // Same pair, same score: any order gives the same result; versions make it total.
  return p.va !== q.va ? p.va < q.va : p.vb < q.vb
}
