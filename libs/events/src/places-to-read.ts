/** One partition of one topic. */
export interface PlaceToRead {
  readonly topic: string
  readonly partition: number
}

/** What the database says of each place that a transaction wrote to: `TOPIC PARTITION`. */
const announcement = /^(\S+) (\d{1,9})$/

/**
 * Where a group may find something new: what was announced, what it must look at once more, now and then everything. Pure bookkeeping: reading only there
 * spares the server a look at some eighty places for each event of anybody's.
 */
export class PlacesToRead {
  #everywhere = true
  readonly #some = new Set<string>()

  /**
   * Takes in what was announced.
   * @param mine whether the group reads there, in this process
   * @returns whether there is something to read; an announcement in other words than ours may mean any place
   */
  announced(words: string, mine: (place: PlaceToRead) => boolean): boolean {
    const [, topic, partition] = announcement.exec(words) ?? []
    if (topic === undefined) {
      this.everywhere()
      return true
    }
    const place = { topic, partition: Number(partition) }
    if (!mine(place)) return false
    this.again(place)
    return true
  }

  /** Something there is still to be read. */
  again(place: PlaceToRead): void {
    this.#some.add(nameOf(place))
  }

  /** Anything may have happened anywhere. */
  everywhere(): void {
    this.#everywhere = true
  }

  /** Those of the places where one can read now that are to be read, which are forgotten; the others stay. */
  take<P>(places: readonly P[], where: (place: P) => PlaceToRead): P[] {
    const all = this.#everywhere
    this.#everywhere = false
    return places.filter(place => this.#some.delete(nameOf(where(place))) || all)
  }
}

const nameOf = ({ topic, partition }: PlaceToRead) => `${topic} ${partition}`
