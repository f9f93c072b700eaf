import { captureTime, isDated, type CaptureEvidence, type CaptureTime } from './capture-time.js'
import { defined, validPosition, type MetadataFacts, type Position } from './facts.js'
import { fileNameTime } from './file-name-time.js'
import type { Places } from './places.js'
import type { FamilySettings } from './deps.js'
import { mergeFacts } from './sidecar.js'
import { parseDateTime } from './wall-clock.js'

/** What the files of an item say, as it is stored. */
export interface Embedded {
  readonly facts: MetadataFacts
  /** A video's, or a live photo's clip's. */
  readonly video?: VideoFacts
}

/** What a video's container says. */
export interface VideoFacts {
  readonly durationS?: number
  /** UTC, epoch ms. */
  readonly createdMs?: number
  /** With its offset, as QuickTime writes it. */
  readonly creationDate?: string
  readonly position?: Position
  readonly make?: string
  readonly model?: string
  readonly software?: string
}

/** What is shown of an item, decided from everything that speaks about it. */
export interface Described {
  readonly taken: CaptureTime
  readonly dated: boolean
  readonly place?: DescribedPlace
  readonly camera: string
  readonly description: string
  readonly tags: readonly string[]
  readonly stars?: number
}

/** A position with its names. */
export interface DescribedPlace extends Position {
  readonly city: string
  readonly region: string
  readonly country: string
  readonly countryCode: string
}

/** Where an item's file came from. */
export interface Origin {
  readonly fileName: string
  /** Epoch ms. */
  readonly lastModifiedMs?: number | undefined
}

/** When an item was taken, from its files, what stands beside them, and its name. */
export function takenAt(
  embedded: Embedded,
  sidecar: MetadataFacts | undefined,
  origin: Origin,
  timeZone: string,
  nowMs: number,
): CaptureTime {
  const { facts, video } = embedded
  const position = positionOf(embedded, sidecar)
  const created = parseDateTime(video?.creationDate)
  const evidence: CaptureEvidence = {
    sidecar: sidecar?.readings ?? [],
    embedded: facts.readings,
    video: created ? [created] : [],
    ...defined({
      sidecarUtcMs: sidecar?.utcMs,
      containerUtcMs: video?.createdMs,
      durationMs: video?.durationS === undefined ? undefined : video.durationS * 1000,
      gpsUtcMs: facts.gpsUtcMs ?? sidecar?.gpsUtcMs,
      position,
      fileName: fileNameTime(origin.fileName),
      modified: facts.modified,
      fileDateMs: origin.lastModifiedMs,
    }),
  }
  return captureTime(evidence, timeZone, nowMs)
}

/** Decides everything that is shown of an item. Sidecars: the last one of the list wins. */
export async function describeItem(
  embedded: Embedded,
  sidecars: readonly MetadataFacts[],
  origin: Origin,
  settings: FamilySettings,
  places: Places,
  nowMs: number,
): Promise<Described> {
  const sidecar = sidecars.reduce<MetadataFacts | undefined>(
    (all, one) => (all ? { ...mergeFacts(all, one), readings: [...one.readings, ...all.readings] } : one),
    undefined,
  )
  const facts = mergeFacts(embedded.facts, sidecar)
  const taken = takenAt(embedded, sidecar, origin, settings.timeZone, nowMs)
  const position = positionOf(embedded, sidecar)
  const place = position && (await places.find(position.latitude, position.longitude, settings.locale))
  return {
    taken,
    dated: isDated(taken),
    ...(position && {
      place: { ...position, ...(place ?? { city: '', region: '', country: '', countryCode: '' }) },
    }),
    camera: cameraName(facts.make ?? embedded.video?.make, facts.model ?? embedded.video?.model),
    description: facts.description ?? facts.title ?? '',
    tags: facts.tags ?? [],
    ...defined({ stars: facts.stars }),
  }
}

/** The sidecar's position, else the still's, else the video's. */
function positionOf(embedded: Embedded, sidecar: MetadataFacts | undefined): Position | undefined {
  const found = sidecar?.position ?? embedded.facts.position ?? embedded.video?.position
  return found && validPosition(found.latitude, found.longitude, found.altitude)
}

/** Maker and model as one name: `Canon EOS 40D`, not `Canon Canon EOS 40D`. */
export function cameraName(make: string | undefined, model: string | undefined): string {
  if (!model) return make ?? ''
  const brand = make?.split(/[\s,]/)[0] ?? ''
  return brand && !model.toLowerCase().startsWith(brand.toLowerCase()) ? `${brand} ${model}` : model
}
