/** When a breaker opens and for how long. */
export interface BreakerRules {
  /** Failures in a row that open it. */
  readonly failures: number
  /** Milliseconds until one call may try again. */
  readonly coolDownMs: number
}

/**
 * Keeps callers from queueing up behind a peer that does not answer: after so many failures in a row calls are refused at
 * once; after the cool-down one call is let through, and its outcome decides.
 */
export class Breaker {
  private failuresInARow = 0
  private openUntil = 0
  private probing = false

  constructor(private readonly rules: BreakerRules) {}

  /** Whether a call may go out at `now` (milliseconds). Letting a probe through is remembered. */
  admit(now: number): boolean {
    if (this.failuresInARow < this.rules.failures) return true
    if (now < this.openUntil || this.probing) return false
    this.probing = true
    return true
  }

  succeeded(): void {
    this.failuresInARow = 0
    this.probing = false
  }

  failed(now: number): void {
    this.failuresInARow++
    this.probing = false
    if (this.failuresInARow >= this.rules.failures) this.openUntil = now + this.rules.coolDownMs
  }
}
