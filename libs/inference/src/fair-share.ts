/**
 * How much each of several claimants has had of something that is given out piece by piece: start-time fair queueing (Goyal, Vin and Cheng, 1996). A value, never
 * changed in place. Amounts are in any one unit; the clock is in the same unit, divided by weight.
 */
export interface FairShare<K> {
  /** Where the claimant served last began. Who had nothing for a while begins here: idle time earns no credit. */
  readonly clock: number
  /** Where each claimant's next piece begins, for those who are ahead of the clock. */
  readonly ahead: ReadonlyMap<K, number>
}

/** Nobody had anything yet. */
export const NOBODY_SERVED: FairShare<never> = { clock: 0, ahead: new Map<never, number>() }

/** Where a claimant's next piece begins: the one with the least is next. */
export function turnOf<K>({ clock, ahead }: FairShare<K>, claimant: K): number {
  return Math.max(clock, ahead.get(claimant) ?? 0)
}

/**
 * The share after a claimant was given `amount`. `isNext` says that its turn had come: only that moves the clock; whoever is given something before its turn (as
 * company in a batch that starts anyway) pays for it, but must not make those who wait lose theirs.
 */
export function charge<K>(share: FairShare<K>, claimant: K, amount: number, isNext: boolean): FairShare<K> {
  const start = turnOf(share, claimant)
  const clock = isNext ? start : share.clock
  const ahead = new Map<K, number>()
  for (const [each, turn] of share.ahead) if (turn > clock) ahead.set(each, turn)
  ahead.set(claimant, start + amount)
  return { clock, ahead }
}
