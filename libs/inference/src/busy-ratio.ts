/** What part of the time so many workers had something to do, over the last while. Times are milliseconds on one clock. */
export class BusyRatio {
  /** Pieces of work, in the order in which they ended. */
  private readonly ended: { from: number; to: number }[] = []
  private readonly running = new Set<{ from: number }>()

  constructor(
    private readonly workers: number,
    private readonly windowMs = 60_000,
  ) {}

  /** A worker begins; what is returned says that it ended. */
  begin(now: number): (now: number) => void {
    const work = { from: now }
    this.running.add(work)
    return to => {
      if (!this.running.delete(work)) return
      this.ended.push({ ...work, to })
      this.forget(to)
    }
  }

  /** From 0 to 1. */
  at(now: number): number {
    this.forget(now)
    const start = now - this.windowMs
    const within = (from: number, to: number) => Math.max(0, to - Math.max(from, start))
    let busy = 0
    for (const { from, to } of this.ended) busy += within(from, to)
    for (const { from } of this.running) busy += within(from, now)
    return Math.min(1, busy / (this.windowMs * this.workers))
  }

  private forget(now: number): void {
    while ((this.ended[0]?.to ?? now) < now - this.windowMs) this.ended.shift()
  }
}
