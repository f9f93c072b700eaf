import type { EdgeStore } from './edge-store.js'

/** The renditions that an item may have. */
export const renditions = ['thumbnail', 'preview', 'poster', 'playback'] as const

/** One of them. */
export type Rendition = (typeof renditions)[number]

/** Seconds that a signed media URL in an answer lives at least: a page that is left open over lunch still shows. */
const lifeSeconds = 3600

/** Where an item's bytes are. */
export const originalKey = (familyId: string, mediaId: string) => `families/${familyId}/media/${mediaId}/original`

/** Where the uploaded bytes of an item are: the still of a live photo that came after its clip lies beside it. */
export const originalKeyOf = (familyId: string, media: { id: string; originalKey: string }): string =>
  media.originalKey || originalKey(familyId, media.id)

/** Where a rendition's bytes are. */
export const renditionKey = (familyId: string, mediaId: string, rendition: Rendition) =>
  `families/${familyId}/media/${mediaId}/renditions/${rendition}`

/** A URL that shows one object for a while; `version` makes a browser fetch again what was rendered again. */
export function mediaUrl(store: EdgeStore, key: string, version?: number, fileName?: string): string {
  return store.signedUrl(key, {
    method: 'GET',
    expiresInS: lifeSeconds,
    ...(fileName === undefined ? {} : { disposition: attachment(fileName) }),
    ...(version === undefined ? {} : { version }),
  })
}

/** Content-Disposition that saves under the file's own name (RFC 6266). */
export const attachment = (fileName: string): string =>
  `attachment; filename*=UTF-8''${encodeURIComponent(fileName).replace(/['()*]/g, c => `%${c.charCodeAt(0).toString(16)}`)}`
