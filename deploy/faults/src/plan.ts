import { seededRandom, type SeededRandom } from '@keepsake/testing/seeded-random'
import { processNames, type Action, type Fault, type Link, type Plan, type Plant, type ProcessName } from './history.js'

/** What a plan is made from. */
export interface PlanOptions {
  seed: number
  /** Of both families together. */
  items: number
  /** Within which faults fall, ms. */
  windowMs: number
  /** Only these (default all). */
  kinds?: readonly Scene[]
  /** How long one scene lasts at least and at most, ms. */
  sceneMs?: { min: number; max: number }
  disturbDeliveries?: boolean
  plant?: Plant
}

/** What may go wrong; a plan plays every scene at least once where its time allows, in an order of its own. */
export const scenes = [
  'kill a service',
  'kill a worker',
  'kill a gateway',
  'freeze a service',
  'slow consumer',
  'kill the leader',
  'freeze a broker',
  'kill minio',
  'freeze minio',
  'kill postgres',
  'freeze postgres',
  'cut a link',
  'refuse a link',
  'stall a link',
  'delay a link',
  'throttle a link',
  'minio disk full',
  'postgres disk full',
  'clock',
  'poison',
  'all at once',
] as const
/** See {@link scenes}. */
export type Scene = (typeof scenes)[number]

// Ingest and face take most of the time, so most of what is lost would be lost there.
const workers: readonly ProcessName[] = ['ingest', 'face-1', 'face-2', 'cluster', 'rating']
const gateways: readonly ProcessName[] = ['gateway-1', 'gateway-2']

/** Calls and faults of a run. Pure: the same options give the same plan. */
export function makePlan(options: PlanOptions): Plan {
  const { seed, items, windowMs, disturbDeliveries = true } = options
  const random = seededRandom(seed)
  return {
    version: 1,
    seed,
    items,
    windowMs,
    disturbDeliveries,
    ...(options.plant ? { plant: options.plant } : {}),
    actions: planActions(random, items, windowMs),
    faults: planFaults(random, options),
  }
}

function planActions(random: SeededRandom, items: number, windowMs: number): Action[] {
  const actions: Action[] = []
  const id = (kind: string, family: number, n: number) => `${kind}-${family}-${n}`
  const gateway = () => random.integer(0, 1)
  for (const family of [0, 1]) {
    const own = Math.floor(items / 2) + (family === 0 ? items % 2 : 0)
    for (let item = 0; item < own; item++) {
      // Uploads are spread over the time in which things go wrong: they shall meet them.
      const uploadMs = Math.round((item / own) * windowMs * 0.7)
      const later = () => uploadMs + random.integer(0, Math.round(windowMs * 0.3))
      const at = { family, item }
      actions.push({
        ...at,
        id: id('upload', family, item),
        do: 'upload',
        atMs: uploadMs,
        gateway: gateway(),
        split: random.next() < 0.3,
      })
      if (random.next() < 0.3)
        actions.push({
          ...at,
          id: id('comment', family, item),
          do: 'comment',
          atMs: later(),
          gateway: gateway(),
          text: `Comment ${random.integer(1e6, 1e7 - 1)} on ${item}`,
          twice: random.next() < 0.5,
        })
      if (random.next() < 0.3)
        actions.push({
          ...at,
          id: id('favourite', family, item),
          do: 'favourite',
          atMs: later(),
          gateway: gateway(),
          twice: random.next() < 0.5,
        })
      if (random.next() < 0.15)
        actions.push({
          ...at,
          id: id('correct', family, item),
          do: 'correct',
          atMs: later(),
          gateway: gateway(),
          description: `Words ${random.integer(1e6, 1e7 - 1)}`,
        })
    }
    const last = Math.max(0, own - 1)
    actions.push({
      id: id('film', family, 0),
      family,
      item: Math.floor(last / 2),
      do: 'film',
      atMs: Math.round(windowMs * 0.6),
      gateway: gateway(),
    })
  }
  return actions.sort((a, b) => a.atMs - b.atMs || a.id.localeCompare(b.id))
}

function planFaults(random: SeededRandom, options: PlanOptions): Fault[] {
  const { windowMs, kinds = scenes, sceneMs = { min: 2_500, max: 6_000 } } = options
  if (kinds.length === 0) return []
  const faults: Fault[] = []
  let deck: Scene[] = []
  // The first items shall be on their way.
  let now = Math.min(2_000, windowMs / 10)
  while (now < windowMs) {
    if (deck.length === 0) deck = random.shuffle(kinds)
    const scene = deck.pop() as Scene
    const forMs = random.integer(sceneMs.min, sceneMs.max)
    faults.push(...play(scene, Math.round(now), forMs, random))
    // One scene is over, nearly, when the next begins: "all at once" is a scene of its own.
    now += forMs + random.integer(200, 1_500)
  }
  return faults
}

function play(scene: Scene, atMs: number, forMs: number, random: SeededRandom): Fault[] {
  const at = { atMs, forMs }
  const short = { atMs, forMs: random.integer(0, 1_000) }
  const link = () => pickLink(random)
  switch (scene) {
    case 'kill a service':
      return [{ ...short, do: 'kill', target: random.pick(processNames) }]
    case 'kill a worker':
      return [{ ...short, do: 'kill', target: random.pick(workers) }]
    case 'kill a gateway':
      return [{ ...at, do: 'kill', target: random.pick(gateways) }]
    case 'freeze a service':
      return [{ ...at, do: 'freeze', target: random.pick(processNames) }]
    case 'slow consumer':
      return [{ ...at, do: 'slow', target: random.pick(workers) }]
    case 'kill the leader':
      return [{ ...at, do: 'kill', target: 'kafka-leader' }]
    case 'freeze a broker':
      return [{ ...at, do: 'freeze', target: random.pick(['kafka-1', 'kafka-2', 'kafka-3']) }]
    case 'kill minio':
      return [{ ...short, do: 'kill', target: 'minio' }]
    case 'freeze minio':
      return [{ ...at, do: 'freeze', target: 'minio' }]
    case 'kill postgres':
      return [{ ...short, do: 'kill', target: 'postgres' }]
    case 'freeze postgres':
      return [{ ...at, do: 'freeze', target: 'postgres' }]
    case 'cut a link':
      return [0, 1, 2].map(i => ({ atMs: atMs + (i * forMs) / 3, forMs: 0, do: 'cut', ...link() }))
    case 'refuse a link':
      return [{ ...at, do: 'refuse', ...link() }]
    case 'stall a link':
      return [{ ...at, do: 'stall', ...link() }]
    case 'delay a link':
      return [{ ...at, do: 'delay', delayMs: random.integer(50, 500), ...link() }]
    case 'throttle a link':
      return [{ ...at, do: 'throttle', bytesPerSecond: random.integer(2_000, 50_000), ...link() }]
    case 'minio disk full':
      return [{ ...at, do: 'fill', target: 'minio' }]
    case 'postgres disk full':
      return [{ ...at, do: 'fill', target: 'postgres' }]
    case 'clock':
      return [{ ...at, do: 'clock', target: random.pick(processNames), hours: random.pick([-30, -5, -1, 1, 5, 30]) }]
    case 'poison':
      return [{ ...at, do: 'poison', topic: random.pick(['media.ingested', 'faces.detected', 'media.changed']) }]
    case 'all at once':
      return [
        ...random
          .shuffle(processNames)
          .map((target, i): Fault =>
            i % 3 === 2 ? { ...at, do: 'freeze', target } : { ...short, do: 'kill', target },
          ),
        { ...at, do: 'kill', target: 'kafka-leader' },
        { ...short, do: 'kill', target: 'minio' },
        { ...short, do: 'kill', target: 'postgres' },
      ]
  }
}

/** Any two parts that talk to each other. */
export const links: readonly Link[] = [
  ...gateways.map(to => ({ from: 'client' as const, to })),
  ...(['kafka-1', 'kafka-2', 'kafka-3'] as const).map(to => ({ from: 'any' as const, to })),
  ...processNames.filter(name => !name.startsWith('gateway')).map(from => ({ from, to: 'postgres' as const })),
  ...(['ingest', 'face-1', 'face-2', 'render', 'gateway-1', 'gateway-2'] as const).map(from => ({
    from,
    to: 'minio' as const,
  })),
  ...gateways.flatMap(from => (['family', 'ingest', 'album', 'cluster'] as const).map(to => ({ from, to }))),
  { from: 'album', to: 'ingest' },
  { from: 'face-1', to: 'ingest' },
  { from: 'face-2', to: 'family' },
  { from: 'cluster', to: 'face-1' },
  { from: 'cluster', to: 'face-2' },
  { from: 'cluster', to: 'album' },
  { from: 'rating', to: 'cluster' },
  { from: 'rating', to: 'album' },
  { from: 'render', to: 'rating' },
]

const pickLink = (random: SeededRandom) => random.pick(links)
