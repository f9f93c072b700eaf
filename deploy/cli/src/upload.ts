import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Upload, type DetailedError } from 'tus-js-client'
import { ApiError, type Api } from './api.js'
import type { FoundFile } from './files.js'
import type { Entry, Journal } from './journal.js'

/** Bytes per request: a broken connection loses at most this much. */
const chunkSize = 16 * 1024 * 1024

// A server that restarts is away for a few seconds; together these wait about two minutes before giving up.
const retryDelays = [200, 500, 1000, 2000, 4000, 8000, 10_000, 15_000, 20_000, 30_000, 30_000]

/** What an upload needs to know. */
export interface UploadContext {
  api: Api
  familyId: string
  journal: Journal
  signal?: AbortSignal | undefined
  /** Called with the bytes that were accepted since the last call. */
  onBytes?: ((bytes: number) => void) | undefined
}

/**
 * Uploads one file by the tus protocol, going on where an earlier run was interrupted. Answers from the journal where the
 * file was finished before. Throws ApiError where the server refuses the file.
 */
export async function uploadFile(file: FoundFile, context: UploadContext): Promise<Entry> {
  const { api, familyId, journal } = context
  let known = journal.get(file)
  if (known?.mediaId !== undefined) {
    // A sidecar has no item of its own.
    if (known.mediaId === '' || (await isInAlbum(known.mediaId, context))) return known
    known = undefined
  }
  const sha256 = known?.sha256 ?? (await hashFile(file.path))
  let entry: Entry = { relativePath: file.relativePath, size: file.size, modified: file.modified, sha256 }
  const fileName = file.relativePath.slice(file.relativePath.lastIndexOf('/') + 1)

  const headers = await new Promise<(name: string) => string | undefined>((resolve, reject) => {
    let sent = 0
    const upload = new Upload(createReadStream(file.path), {
      endpoint: new URL(`/v1/families/${familyId}/uploads`, api.base).href,
      uploadUrl: known?.uploadUrl ?? null,
      uploadSize: file.size,
      chunkSize,
      retryDelays,
      storeFingerprintForResuming: false,
      metadata: {
        filename: fileName,
        filetype: '',
        lastModified: String(file.modified),
        relativePath: file.relativePath,
        importId: journal.importId,
        sha256,
      },
      onBeforeRequest: async request => {
        const authorization = await api.authorization()
        if (authorization) request.setHeader('Authorization', authorization)
      },
      onShouldRetry: error => {
        const status = (error as DetailedError).originalResponse?.getStatus() ?? 0
        return (
          !context.signal?.aborted &&
          (status === 0 || status === 401 || status === 409 || status === 423 || status === 429 || status >= 500)
        )
      },
      onUploadUrlAvailable: () => {
        if (upload.url && upload.url !== known?.uploadUrl) {
          entry = { ...entry, uploadUrl: upload.url }
          void journal.put(entry)
        }
      },
      onProgress: bytes => {
        // A retried chunk begins again at its start: count only what is new.
        if (bytes > sent) context.onBytes?.(bytes - sent)
        sent = Math.max(sent, bytes)
      },
      onSuccess: ({ lastResponse }) => resolve(name => lastResponse.getHeader(name)),
      onError: error => reject(problemOf(error, api)),
    })
    context.signal?.addEventListener('abort', () => void upload.abort().then(() => reject(new Error('aborted'))), {
      once: true,
    })
    upload.start()
  })

  // A finished upload that is resumed after a crash answers HEAD with the same headers.
  const { uploadUrl: _done, ...rest } = entry
  entry = {
    ...rest,
    mediaId: headers('Keepsake-Media-Id') ?? '',
    ...(headers('Keepsake-Duplicate') === 'true' && { duplicate: true }),
    ...(headers('Keepsake-Joined') === 'true' && { joined: true }),
  }
  await journal.put(entry)
  return entry
}

/** SHA-256 of a file, hex. */
async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

function problemOf(error: Error | DetailedError, api: Api): Error {
  const response = (error as DetailedError).originalResponse
  if (!response)
    return new ApiError(0, 'UNREACHABLE', `Keepsake does not answer at ${api.base.origin}.`, { cause: error })
  try {
    const body = JSON.parse(response.getBody()) as { code?: string; detail?: string; title?: string }
    return new ApiError(response.getStatus(), body.code ?? 'UNKNOWN', body.detail ?? body.title ?? error.message)
  } catch {
    return new ApiError(response.getStatus(), 'UNKNOWN', `Keepsake answered ${response.getStatus()} to the upload.`)
  }
}

/** Whether an item that came in earlier is still there: one that was erased or lies in the trash is uploaded as if it were new. */
async function isInAlbum(mediaId: string, { api, familyId, signal }: UploadContext): Promise<boolean> {
  try {
    const item = await api.get<{ trashedAt?: string }>(`/v1/families/${familyId}/media/${mediaId}`, { signal })
    return item.trashedAt === undefined
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false
    throw error
  }
}
