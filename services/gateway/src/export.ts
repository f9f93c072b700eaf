import { finished } from 'node:stream/promises'
import { ZipArchive } from 'archiver'
import type { Comment, Media } from '@keepsake/proto/album/v1'
import type { Person } from '@keepsake/proto/cluster/v1'
import { KeepsakeError } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import { endpoint, type AnyEndpoint, type Input } from './endpoint.js'
import { attachment, originalKeyOf } from './media-urls.js'
import { shownMedia } from './media.js'
import { knownPerson } from './people.js'

const pageSize = 200

type Asked = Input<unknown, unknown, unknown>

/** The family's export: every original that the member may see, in folders by month, and one album.json. */
export const exportEndpoint: AnyEndpoint = endpoint({
  method: 'GET',
  path: '/v1/families/{familyId}/export',
  id: 'exportFamily',
  summary: 'The whole album as a zip stream: originals and one JSON.',
  produces: ['application/zip'],
  async handle(input) {
    await send(input as Asked)
  },
})

async function send(input: Asked): Promise<void> {
  const { edge, reply, signal, familyId } = input
  // Whatever can be refused is refused before the first byte.
  const [{ family }, { children }, { members }] = await Promise.all([
    edge.clients.family.getFamily({}, await input.as()),
    edge.clients.family.listChildren({}, await input.as()),
    edge.clients.family.listMembers({}, await input.as()),
  ])
  const first = await listPage(input, '')
  const name = `${family?.name || 'keepsake'}.zip`
  // Pictures and videos are compressed already: stored, the stream is as fast as the disk.
  const archive = new ZipArchive({ store: true, forceZip64: true })
  void reply
    .header('content-type', 'application/zip')
    .header('content-disposition', attachment(name))
    .header('cache-control', 'no-store')
    .send(archive)

  const fill = async () => {
    const items: unknown[] = []
    const taken = new Set<string>()
    for (let page = first; ; page = await listPage(input, page.nextCursor)) {
      for (const media of page.media) {
        signal.throwIfAborted()
        const file = fileName(media, taken)
        const key = originalKeyOf(familyId, media)
        const { urls: _urls, ...facts } = shownMedia(media, familyId, edge.store)
        const stat = await edge.store.stat(key)
        if (stat === undefined) {
          items.push({ ...facts, file: null })
          continue
        }
        const clip = media.clipKey === '' ? undefined : await edge.store.stat(media.clipKey)
        const clipFile = clip && fileName({ ...media, fileName: clipName(media.fileName, clip.contentType) }, taken)
        items.push({
          ...facts,
          file,
          ...(clipFile !== undefined && { clipFile }),
          comments: media.commentCount > 0 ? await comments(input, media.id) : [],
        })
        await entry(archive, edge.store.get(key, { signal }), file, media.takenAt)
        if (clipFile !== undefined)
          await entry(archive, edge.store.get(media.clipKey, { signal }), clipFile, media.takenAt)
      }
      if (page.nextCursor === '') break
    }
    const { collections } = await edge.clients.album.listCollections({}, await input.as())
    const album = {
      exportedAt: new Date().toISOString(),
      family,
      members,
      children,
      people: await people(input),
      collections,
      media: items,
    }
    archive.append(JSON.stringify(album, null, 2), { name: 'album.json' })
    await archive.finalize()
  }
  // Who waits for an entry hears of an error there; between two entries nobody does, and it must not end the process.
  archive.on('error', () => undefined)
  const stop = () => archive.destroy(signal.reason as Error)
  signal.addEventListener('abort', stop, { once: true })
  try {
    await fill()
  } catch (error) {
    // The headers are out: a zip that breaks off is the only way left to say that it is not whole.
    logger('gateway').warn({ err: error, familyId }, 'an export broke off')
    archive.destroy(error as Error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const listPage = async ({ edge, as }: Asked, cursor: string) =>
  edge.clients.album.listMedia(
    { filter: { kinds: [], states: [], trash: false }, cursor, limit: pageSize, order: 'oldest' },
    await as(),
  )

async function comments({ edge, as }: Asked, mediaId: string) {
  const all: Comment[] = []
  for (let cursor = ''; ;) {
    const page = await edge.clients.album.listComments({ mediaId, cursor, limit: pageSize }, await as())
    all.push(...page.comments)
    if ((cursor = page.nextCursor) === '') break
  }
  return all.map(c => ({ memberId: c.memberId, text: c.text, at: c.at?.toISOString() }))
}

async function people(input: Asked): Promise<unknown[]> {
  const { edge, as, person } = input
  const all: Person[] = []
  for (let cursor = ''; ;) {
    const page = await edge.clients.cluster.listPeople({ includeHidden: true, cursor, limit: 500 }, await as())
    all.push(...page.people)
    if ((cursor = page.nextCursor) === '') break
  }
  // What is known about each is a parent's to ask for, as it is one by one.
  if (person.role !== 'parent') return all
  const told: unknown[] = []
  for (const one of all) told.push({ ...one, known: await known(input, one.id) })
  return told
}

/** What is known about a person; nothing where it went while the export was on its way. */
async function known(input: Asked, personId: string): Promise<unknown> {
  try {
    const { person: _person, ...about } = await knownPerson(input, personId)
    return about
  } catch (error) {
    if (KeepsakeError.is(error) && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** The clip of a live photo is saved beside its still, as cameras do: IMG_1.HEIC and IMG_1.mov. */
const clipName = (still: string, contentType: string): string =>
  `${still.replace(/(?<=.)\.[^.]*$/, '')}${contentType === 'video/mp4' ? '.mp4' : '.mov'}`

/** Appends one file and waits until it is in: one open file at a time, whatever the album's size. */
async function entry(archive: ZipArchive, source: NodeJS.ReadableStream, name: string, date: Date | undefined) {
  let leave = () => {}
  const done = new Promise<void>((resolve, reject) => {
    const stopped = () => reject(new Error('the download was stopped'))
    archive.once('entry', resolve).once('error', reject).once('close', stopped)
    leave = () => archive.off('entry', resolve).off('error', reject).off('close', stopped)
  })
  try {
    archive.append(source as never, { name, ...(date !== undefined && { date }) })
    await Promise.all([done, finished(source as never)])
  } finally {
    leave()
  }
}

/** 2024/2024-05/IMG_1234.jpg, with a number where two items have one name. */
function fileName(media: Pick<Media, 'fileName' | 'takenAt' | 'takenAtOffsetMinutes'>, taken: Set<string>): string {
  const local =
    media.takenAt === undefined
      ? undefined
      : new Date(media.takenAt.getTime() + media.takenAtOffsetMinutes * 60_000).toISOString()
  const folder = local === undefined ? 'undated' : `${local.slice(0, 4)}/${local.slice(0, 7)}`
  // A name from outside must not leave its folder, on any system.
  const safe = media.fileName.replace(/[\\/:*?"<>|\p{Cc}]/gu, '_').replace(/^\.+/, '_') || 'file'
  const dot = safe.lastIndexOf('.') > 0 ? safe.lastIndexOf('.') : safe.length
  for (let n = 1; ; n++) {
    const name = `${folder}/${n === 1 ? safe : `${safe.slice(0, dot)} (${n})${safe.slice(dot)}`}`
    if (taken.has(name.toLowerCase())) continue
    taken.add(name.toLowerCase())
    return name
  }
}
