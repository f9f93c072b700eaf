import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** The processes of Keepsake in a run: two gateways and two faces share their work. */
export const processNames = [
  'family',
  'ingest',
  'album',
  'face-1',
  'face-2',
  'cluster',
  'rating',
  'render',
  'gateway-1',
  'gateway-2',
] as const
/** See {@link processNames}. */
export type ProcessName = (typeof processNames)[number]

/** The servers below them. */
export const serverNames = ['kafka-1', 'kafka-2', 'kafka-3', 'minio', 'postgres'] as const
/** See {@link serverNames}. */
export type ServerName = (typeof serverNames)[number]

/** Whatever runs; the broker that leads the busiest partition at that moment is known then. */
export type Target = ProcessName | ServerName | 'kafka-leader'

/** What stands between two parts: `client` are the clients of the gateways, and before a broker `any` of its clients are met. */
export interface Link {
  from: ProcessName | 'client' | 'any'
  to: ProcessName | ServerName
}

/** One thing that a client wants. He asks until it is acknowledged, through either gateway. */
export type Action = {
  /** Also the idempotency key. */
  id: string
  /** 0 or 1. */
  family: number
  /** Not before this, ms from the start. */
  atMs: number
  /** Which gateway is asked first: 0 or 1. */
  gateway: number
  /** Of the family's folder. */
  item: number
} & (
  | {
      do: 'upload'
      /** The second half of the bytes goes through the other gateway. */
      split: boolean
    }
  | {
      do: 'comment'
      text: string
      /** Sent again after it was acknowledged, with the same key, to the other gateway. */
      twice: boolean
    }
  | { do: 'favourite'; twice: boolean }
  | { do: 'correct'; description: string }
  | { do: 'film' }
)

/** Something that goes wrong at a moment, and is right again some time later. */
export type Fault = {
  /** From the start. */
  atMs: number
  /** How long it lasts; what was killed starts again after it. */
  forMs: number
} & (
  | { do: 'kill'; target: Target }
  | { do: 'freeze'; target: Target }
  /** Works a tenth of the time. */
  | { do: 'slow'; target: ProcessName }
  /** Started again with its clock moved by so many hours. */
  | { do: 'clock'; target: ProcessName; hours: number }
  /** The disk below it is full. */
  | { do: 'fill'; target: 'minio' | 'postgres' }
  /** An event that nobody can read. */
  | { do: 'poison'; topic: string }
  | ({ do: 'cut' } & Link)
  | ({ do: 'refuse' } & Link)
  | ({ do: 'stall' } & Link)
  | ({ do: 'delay'; delayMs: number } & Link)
  | ({ do: 'throttle'; bytesPerSecond: number } & Link)
)

/** A planted bug: offsets are committed before the effects of the events are. */
export const plants = ['commit-before-effect'] as const
/** See {@link plants}. */
export type Plant = (typeof plants)[number]

/** Everything that decides a run; the same plan makes the same calls and faults. */
export interface Plan {
  version: 1
  seed: number
  /** Of both families together. */
  items: number
  /** Faults fall within so many ms of the start. */
  windowMs: number
  /** Deliveries are doubled and shuffled all the time. */
  disturbDeliveries: boolean
  plant?: Plant
  actions: Action[]
  faults: Fault[]
}

/** How an action ended. */
export interface Outcome {
  action: string
  acknowledged: boolean
  /** How often it was sent. */
  attempts: number
  /** From the start, ms. */
  endedMs: number
  /** The item that the upload became, or the film that was ordered. */
  id?: string
  /** Why it was not acknowledged. */
  refusal?: string
}

/** How a fault went. */
export interface FaultOutcome {
  fault: number
  beganMs: number
  endedMs: number
  /** The broker that led, the event that was planted, what could not be done here. */
  note?: string
}

/** What is kept of a run. */
export interface History {
  plan: Plan
  outcomes?: Outcome[]
  faults?: FaultOutcome[]
  /** By invariant: what violates it. */
  violations?: Record<string, string[]>
}

/** Keeps a run where `--history FILE` finds it. */
export function writeHistory(file: string, history: History): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(`${file}.part`, `${JSON.stringify(history, null, 1)}\n`)
  renameSync(`${file}.part`, file)
}

/** @throws where it is no history of this version */
export function readHistory(file: string): History {
  const read = JSON.parse(readFileSync(file, 'utf8')) as Partial<History>
  if (read.plan?.version !== 1 || !Array.isArray(read.plan.actions) || !Array.isArray(read.plan.faults))
    throw new Error(`${file} is no history of a fault run.`)
  return { plan: read.plan }
}
