import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { importFolders, isSettled, type Api } from 'keepsake'
import { until } from '@keepsake/testing'
import type { Album } from './album.js'
import type { Media, Processing } from './api-types.js'

/** Uploads one file by the tus protocol with plain requests and returns the item's id. */
export async function upload(
  api: Api,
  familyId: string,
  file: string,
  metadata: Record<string, string> = {},
): Promise<string> {
  const { size } = await stat(file)
  const fields = { filename: path.basename(file), ...metadata }
  const headers = { Authorization: (await api.authorization()) ?? '', 'Tus-Resumable': '1.0.0' }
  const created = await fetch(new URL(`/v1/families/${familyId}/uploads`, api.base), {
    method: 'POST',
    headers: {
      ...headers,
      'Upload-Length': String(size),
      'Upload-Metadata': Object.entries(fields)
        .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
        .join(','),
    },
    signal: AbortSignal.timeout(30_000),
  })
  if (created.status !== 201) throw new Error(`creation answered ${created.status}: ${await created.text()}`)
  const url = new URL(created.headers.get('location') ?? '', api.base)
  const patched = await fetch(url, {
    method: 'PATCH',
    headers: { ...headers, 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' },
    body: createReadStream(file),
    duplex: 'half',
    signal: AbortSignal.timeout(60_000),
  } as RequestInit)
  if (patched.status !== 204) throw new Error(`upload answered ${patched.status}: ${await patched.text()}`)
  const id = patched.headers.get('keepsake-media-id')
  if (!id) throw new Error('the finished upload names no item')
  return id
}

/** Waits until nothing is pending in any stage, twice in a row, and returns the figures. */
export async function settled(api: Api, familyId: string, deadlineMs = 300_000): Promise<Processing> {
  let calm = 0
  let last: Processing | undefined
  await until(
    async () => {
      last = await api.get<Processing>(`/v1/families/${familyId}/processing`)
      calm = isSettled(last as never) ? calm + 1 : 0
      return calm >= 2
    },
    { deadlineMs, everyMs: 250, what: 'the album to settle' },
  ).catch(error => {
    throw new Error(`${(error as Error).message}; last: ${JSON.stringify(last)}`)
  })
  return last as Processing
}

/** Every item a client may see. */
export async function allMedia(api: Api, familyId: string, query = ''): Promise<Media[]> {
  const items: Media[] = []
  for await (const item of api.list<Media>(`/v1/families/${familyId}/media?limit=200${query}`)) items.push(item)
  return items
}

/** Imports a folder as the CLI does; what is done already is remembered in the album's home. Without `wait` it ends with the last upload. */
export function importInto(
  album: Album,
  api: Api,
  familyId: string,
  folder: string,
  options: { wait: boolean; signal?: AbortSignal },
): ReturnType<typeof importFolders> {
  return importFolders({ api, familyId, roots: [folder], journalDir: path.join(album.home, 'journal'), ...options })
}

export { importFolders }
