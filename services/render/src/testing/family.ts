/** A family's album in memory, behind the clients that render asks: for tests of the service alone. */
import { randomUUID } from 'node:crypto'
import type { ObjectStore } from '@keepsake/media'
import { DescribedMedia, Media } from '@keepsake/proto/album/v1'
import { ItemFaces } from '@keepsake/proto/face/v1'
import { Family, Member } from '@keepsake/proto/family/v1'
import { Media as StoredMedia } from '@keepsake/proto/ingest/v1'
import { Pick } from '@keepsake/proto/rating/v1'
import { Peers } from '../peers.js'
import { testPicture } from './material.js'

/** One item of the album. */
export interface AlbumItem {
  id: string
  takenAt: Date
  audience: { kind: string; ids: string[] }
  blocked: string
  trashed: boolean
  version: number
  /** Only live photos: the object key of the clip to play. */
  clipKey?: string
}

/** The album; change what is in it between calls. */
export class TestFamily {
  readonly id = randomUUID()
  items: AlbumItem[] = []
  locale = 'en'
  members: { id: string; role: string; groupIds: string[] }[] = []
  /** When set, every question fails with it. */
  away: Error | undefined

  /** Makes items and stores a preview of each. */
  static async with(count: number, objects: ObjectStore): Promise<TestFamily> {
    const family = new TestFamily()
    for (let n = 0; n < count; n++) {
      const item: AlbumItem = {
        id: randomUUID(),
        takenAt: new Date(Date.UTC(2026, 7, 1 + n, 10)),
        audience: { kind: 'everyone', ids: [] },
        blocked: '',
        trashed: false,
        version: 1,
      }
      family.items.push(item)
      await objects.put(family.previewKey(item.id), await testPicture(400, 300, n), { contentType: 'image/webp' })
    }
    return family
  }

  previewKey(mediaId: string): string {
    return `families/${this.id}/media/${mediaId}/renditions/preview`
  }

  /** The clients, as the service would have them. */
  peers(): Peers {
    const ask = async <T>(answer: () => T): Promise<T> => {
      if (this.away) throw this.away
      return answer()
    }
    const find = (ids: readonly string[]): AlbumItem[] => this.items.filter(i => ids.includes(i.id))
    return new Peers(
      {
        describeMedia: r =>
          ask(() => ({
            media: find(r.mediaIds).map(i =>
              DescribedMedia.fromPartial({
                blocked: i.blocked,
                media: Media.fromPartial({
                  id: i.id,
                  state: 'ready',
                  kind: 'photo',
                  takenAt: i.takenAt,
                  takenAtOffsetMinutes: 0,
                  takenAtPrecision: 'second',
                  takenAtSource: 'exif',
                  audience: i.audience,
                  trashedAt: i.trashed ? new Date() : undefined,
                }),
              }),
            ),
            nextCursor: '',
            version: 1,
          })),
      },
      {
        getFaces: r =>
          ask(() => ({ items: r.mediaIds.map(mediaId => ItemFaces.fromPartial({ mediaId, state: 'done' })) })),
      },
      {
        getFamily: () =>
          ask(() => ({ family: Family.fromPartial({ id: this.id, locale: this.locale, timeZone: 'Europe/Paris' }) })),
        listChildren: () => ask(() => ({ children: [] })),
        listMembers: () => ask(() => ({ members: this.members.map(m => Member.fromPartial(m)) })),
      },
      {
        getMedia: r =>
          ask(() => ({
            media: find(r.mediaIds).map(i =>
              StoredMedia.fromPartial({
                id: i.id,
                state: 'ready',
                kind: 'photo',
                width: 400,
                height: 300,
                version: i.version,
                previewKey: this.previewKey(i.id),
                ...(i.clipKey === undefined
                  ? {}
                  : { kind: 'live', playbackKey: i.clipKey, duration: 3, motion: [0, 0.2, 0] }),
              }),
            ),
          })),
      },
      {
        select: r =>
          ask(() => {
            const open = this.items.filter(
              i =>
                !i.trashed &&
                i.blocked !== 'never' &&
                !r.ban.includes(i.id) &&
                (i.audience.kind === 'everyone' || r.audienceKind === 'parents'),
            )
            const out = this.items.filter(i => !open.includes(i))
            return {
              items: open
                .slice(0, r.count)
                .map((i, n) => Pick.fromPartial({ mediaId: i.id, reason: 'a good picture', rating: 50 + n })),
              rejected: out.map(i => Pick.fromPartial({ mediaId: i.id, reason: 'not for this movie' })),
              eligible: open.length,
            }
          }),
      },
    )
  }
}
