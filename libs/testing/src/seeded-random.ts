/** Reproducible randomness: the same seed gives the same sequence for ever. */
export interface SeededRandom {
  readonly seed: number
  /** In [0, 1). */
  next(): number
  /** A whole number from min to max, both included. */
  integer(min: number, max: number): number
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T
  /** A shuffled copy. */
  shuffle<T>(list: readonly T[]): T[]
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, plenty for choosing test cases. Without a seed it makes and prints one. */
export function seededRandom(seed: number = freshSeed()): SeededRandom {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    seed,
    next,
    integer,
    pick: list => {
      if (list.length === 0) throw new RangeError('there is nothing to pick from')
      return list[integer(0, list.length - 1)] as (typeof list)[number]
    },
    shuffle: list => {
      const copy = [...list]
      for (let i = copy.length - 1; i > 0; i--) {
        const j = integer(0, i)
        const [a, b] = [copy[i], copy[j]]
        copy[i] = b as (typeof list)[number]
        copy[j] = a as (typeof list)[number]
      }
      return copy
    },
  }
}

function freshSeed(): number {
  const given = process.env['KEEPSAKE_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given)
  process.stderr.write(`seed ${seed} (KEEPSAKE_SEED=${seed} repeats this run)\n`)
  return seed
}
