const mebi = 1024 * 1024

/** A part should take about so long (ms): what a gateway that dies loses, and well within a lease. */
const partMs = 10_000
const firstBytes = 8 * mebi
const leastBytes = 256 * 1024

/**
 * How large the next part of a body should be: as much as arrives in ten seconds at the pace of the last one, at most `largest`. A store behind a network is
 * told the size of a part before it comes, so a guess that is too large costs padding.
 */
export class PartPace {
  #next: number

  constructor(private readonly largest: number) {
    this.#next = Math.min(firstBytes, largest)
  }

  /** Bytes. */
  next(): number {
    return this.#next
  }

  /** Tells how the last part went. */
  took(bytes: number, ms: number): void {
    const target = Math.round((bytes / Math.max(1, ms)) * partMs)
    this.#next = Math.min(this.largest, Math.max(Math.min(leastBytes, this.largest), target))
  }
}
