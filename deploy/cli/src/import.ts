import path from 'node:path'
import { ApiError, type Api } from './api.js'
import { findFiles, type Found } from './files.js'
import { Journal, type Entry } from './journal.js'
import { waitUntilSettled, type Processing } from './processing.js'
import { uploadFile } from './upload.js'

/** A file or item that did not end well. */
export interface Failure {
  /** Path inside the imported folder, or the item's file name. */
  name: string
  code: string
  /** A sentence for a person. */
  message: string
}

/** What an import tells while it runs. */
export interface ImportProgress {
  /** The walk is over. */
  onFound?: (found: Found) => void
  /** Bytes and files of the upload so far. */
  onUpload?: (state: { files: number; totalFiles: number; bytes: number; totalBytes: number }) => void
  onProcessing?: (processing: Processing) => void
}

/** How an import runs. */
export interface ImportOptions extends ImportProgress {
  api: Api
  familyId: string
  /** Folders or files. */
  roots: readonly string[]
  /** Where journals are kept. */
  journalDir: string
  /** Wait until everything is processed; without it failures of processing are not known yet. */
  wait: boolean
  /** Uploads at a time; default 4. */
  concurrency?: number
  signal?: AbortSignal | undefined
}

/** What an import did. */
export interface ImportResult {
  found: Found
  /** Items that came in by this import (new ones). */
  mediaIds: string[]
  /** Files whose upload ended in this run; the others had been uploaded by an earlier one. */
  uploadedNow: number
  /** Of `mediaIds`, those that an earlier run of the same import had brought in. */
  earlier: number
  /** Items that had been there already. */
  duplicates: number
  /** Files that joined another: sidecars, second halves of live photos. */
  joined: number
  failures: Failure[]
  processing?: Processing
}

/**
 * Imports folders through the public API: walks, uploads what the journal does not know as finished, waits if asked to,
 * and names every photo and video that did not end `ready`. Interrupted and run again it goes on where it was.
 */
export async function importFolders(options: ImportOptions): Promise<ImportResult> {
  const { api, familyId, signal } = options
  const found = await findFiles(options.roots)
  options.onFound?.(found)
  const journal = await Journal.open(options.journalDir, familyId, options.roots)
  const failures: Failure[] = found.unreadable.map(each => ({
    name: each.relativePath,
    code: 'UNREADABLE',
    message: `The file could not be read: ${each.reason}.`,
  }))

  const totalBytes = found.files.reduce((sum, file) => sum + file.size, 0)
  const state = { files: 0, totalFiles: found.files.length, bytes: 0, totalBytes }
  const entries: Entry[] = []
  let uploadedNow = 0
  const earlier = new Set<string>()
  const queue = [...found.files]
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      signal?.throwIfAborted()
      let sent = 0
      const known = journal.get(file)
      if (known?.mediaId === undefined) uploadedNow++
      else if (known.mediaId !== '' && !known.duplicate && !known.joined) earlier.add(known.mediaId)
      try {
        entries.push(
          await uploadFile(file, {
            api,
            familyId,
            journal,
            signal,
            onBytes: bytes => {
              sent += bytes
              state.bytes += bytes
              options.onUpload?.(state)
            },
          }),
        )
      } catch (error) {
        if (signal?.aborted) throw error
        // One refused file must not stop its neighbours; a server that is gone or says no to us stops everything.
        const fatal =
          !(error instanceof ApiError) || error.status === 401 || (error.status === 0 && error.code === 'UNREACHABLE')
        if (fatal && (error as NodeJS.ErrnoException).code === undefined) throw error
        failures.push({
          name: file.relativePath,
          code: error instanceof ApiError ? error.code : 'UNREADABLE',
          message: error instanceof Error ? error.message : String(error),
        })
      }
      state.files++
      state.bytes += file.size - sent
      options.onUpload?.(state)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency ?? 4 }, worker))

  const fresh = [
    ...new Set(
      entries.filter(entry => !entry.duplicate && !entry.joined && entry.mediaId).map(entry => entry.mediaId ?? ''),
    ),
  ]
  const result: ImportResult = {
    found,
    mediaIds: fresh,
    uploadedNow,
    earlier: earlier.size,
    duplicates: entries.filter(entry => entry.duplicate).length,
    joined: entries.filter(entry => entry.joined).length,
    failures,
  }
  if (!options.wait) return result
  const processing = await waitUntilSettled(api, familyId, {
    signal,
    ...(options.onProcessing && { onProgress: options.onProcessing }),
  })
  const all = new Set(entries.map(entry => entry.mediaId).filter(Boolean) as string[])
  failures.push(...(await failedItems(api, familyId, processing, all)))
  return { ...result, processing }
}

/** Items of the family that ended `failed`, with their reasons; only those in `among` where it is given. */
export async function failedItems(
  api: Api,
  familyId: string,
  processing: Processing,
  among?: ReadonlySet<string>,
): Promise<Failure[]> {
  if (processing.items.failed === 0) return []
  interface Item {
    id: string
    fileName: string
    state: string
    stateReason?: { code: string; message: string }
  }
  const failed: Failure[] = []
  for await (const item of api.list<Item>(`/v1/families/${familyId}/media?state=failed&limit=200`)) {
    if (item.state !== 'failed' || (among && !among.has(item.id))) continue
    failed.push({
      name: item.fileName,
      code: item.stateReason?.code ?? 'UNKNOWN',
      message: item.stateReason?.message ?? 'It could not be processed.',
    })
  }
  return failed
}

/** The folder's name as people call it. */
export const nameOf = (root: string): string => path.basename(path.resolve(root))
