import kafkajs, { type LogEntry, type logCreator } from 'kafkajs'
import type { logger } from '@keepsake/telemetry'

/** What a line of kafkajs means to us. */
export interface Meaning {
  /** Lines of one kind are one event. */
  readonly kind: 'rebalance' | 'coordinator' | 'broker' | 'leader' | 'other'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly sentence: string
}

// kafkajs logs as errors, and once per heartbeat or try, what happens to every group in its life. Patterns: errors of the protocol
// (kafkajs src/protocol/error.js) and of its network layer (src/network/connection.js, src/cluster/brokerPool.js).
const expected: readonly (readonly [RegExp, Meaning])[] = [
  [
    /rebalanc|not aware of this member|generation id|coordinator is not aware|UNKNOWN_MEMBER|member id is not|resync group/i,
    { kind: 'rebalance', level: 'info', sentence: 'the group shares its partitions out anew' },
  ],
  [/coordinator/i, { kind: 'coordinator', level: 'info', sentence: 'the group looks for its coordinator' }],
  [
    /leader|this server does not host|metadata/i,
    { kind: 'leader', level: 'info', sentence: 'a partition has another leader' },
  ],
  [
    /connection|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EHOSTUNREACH|closed|timed? ?out|broker|seed|disconnect|request .* (failed|timeout)|not enough (in-sync )?replicas/i,
    { kind: 'broker', level: 'warn', sentence: 'a broker does not answer; trying again' },
  ],
]

/** What a line means. Pure. */
export function meaningOf(level: number, message: string, error: string): Meaning {
  // Our own choice (see KafkaSender), and kafkajs' remark on it.
  if (level >= kafkajs.logLevel.INFO || message.startsWith('Limiting retries'))
    return { kind: 'other', level: 'debug', sentence: message }
  const text = `${message} ${error}`
  for (const [pattern, meaning] of expected) if (pattern.test(text)) return meaning
  return { kind: 'other', level: level === kafkajs.logLevel.WARN ? 'warn' : 'error', sentence: message }
}

const quietMs = 60_000

/** Lets one line of a kind through per minute: a rebalance or a broker that is away is one event, however often kafkajs meets it. */
export function kafkaLog(log: ReturnType<typeof logger>, now: () => number = Date.now): logCreator {
  const last = new Map<string, number>()
  return () => (entry: LogEntry) => {
    const error = typeof entry.log['error'] === 'string' ? entry.log['error'] : ''
    const { kind, level, sentence } = meaningOf(entry.level, entry.log.message, error)
    const detail = { kafka: entry.log.message, ...(error === '' ? {} : { reason: error }) }
    if (kind !== 'other') {
      const at = now()
      if (at - (last.get(kind) ?? -Infinity) < quietMs) return log.debug(detail, sentence)
      last.set(kind, at)
    }
    log[level](detail, sentence)
  }
}
