import { isIPv6 } from 'node:net'
import { errors } from './errors.js'

/** How much one key may ask: so many a second on average, so many at once. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

interface Bucket {
  tokens: number
  at: number
}

// Full buckets are forgotten when there are more than this: about 10 MB.
const mostBuckets = 100_000

/** An IPv6 address as its /64, which is what one household or server has (RFC 6177): within it a caller has as many addresses as it likes. */
export function networkOf(key: string): string {
  if (!isIPv6(key) || /^::ffff:/i.test(key)) return key
  const [head = '', tail] = key.replace(/%.*$/, '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/**
 * Token buckets by key (a remote address, a family), in this replica's memory: n replicas allow n times the rate, which is
 * fine for a limit whose job is to keep one caller from starving the others. `perSecond` 0 means no limit.
 */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>()

  constructor(
    private readonly rate: Rate,
    private readonly now: () => number = Date.now,
  ) {}

  /** Takes one token. Throws RATE_LIMITED with the seconds after which there is one again. */
  take(caller: string): void {
    const key = networkOf(caller)
    const { perSecond, burst } = this.rate
    if (perSecond <= 0) return
    const now = this.now()
    const bucket = this.buckets.get(key) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
    if (tokens < 1) {
      this.buckets.set(key, { tokens, at: now })
      throw errors.rateLimited(Math.ceil((1 - tokens) / perSecond))
    }
    this.buckets.set(key, { tokens: tokens - 1, at: now })
    if (this.buckets.size > mostBuckets) this.forget(now)
  }

  private forget(now: number): void {
    const { perSecond, burst } = this.rate
    for (const [key, bucket] of this.buckets)
      if (bucket.tokens + ((now - bucket.at) / 1000) * perSecond >= burst) this.buckets.delete(key)
  }
}
