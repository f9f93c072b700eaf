import { randomBytes } from 'node:crypto'
import type { Seal } from './seal.js'
import type { SessionRules } from './sessions.js'

/** What the service decides by, read once: rules of sessions, the plan, the clock and the ids. */
export class Settings {
  constructor(
    readonly sessions: SessionRules,
    /** Whether a parent may set the plan without an order. A machine that allows it starts families with everything. */
    readonly planSettable: boolean,
    /** Closes answers that are kept for repeated calls. */
    readonly seal: Seal,
    readonly now: () => Date = () => new Date(),
    readonly newId: () => string = uuidv7,
  ) {}

  get firstPlan(): 'free' | 'premium' {
    return this.planSettable ? 'premium' : 'free'
  }
}

/** A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then random bits. */
function uuidv7(): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
