import { Upload } from 'tus-js-client'
import { authorization, refresh } from '../api.ts'

/** How many files travel at once: enough to hide latency, few enough to keep the first ones quick. */
const parallel = 3
/** Pauses before a broken connection is tried again; the upload goes on at the offset the server has. */
const retryDelaysMs = [0, 500, 1_500, 4_000, 10_000, 20_000]
/** Answers after which the same request may succeed: no connection, a renewed session, another writer, load, a restart. */
const retryable = (status: number) => status === 0 || [401, 409, 423, 429].includes(status) || status >= 500

/** One file on its way into the album. */
export interface UploadEntry {
  readonly key: string
  readonly file: File
  readonly state: 'waiting' | 'uploading' | 'done' | 'duplicate' | 'failed'
  readonly sent: number
  /** Why it failed, as the API said it. */
  readonly message?: string
}

/** What the queue looks like at one moment; a new object after every change. */
export interface UploadSnapshot {
  readonly entries: readonly UploadEntry[]
  readonly paused: boolean
}

/** Files that are uploaded to one family, a few at a time, resumable; React reads it through useSyncExternalStore. */
export class UploadQueue {
  private snapshot: UploadSnapshot = { entries: [], paused: false }
  private readonly uploads = new Map<string, Upload>()
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly familyId: string,
    private readonly uploaded: () => void,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly read = (): UploadSnapshot => this.snapshot

  /** Queues files; one that is queued already is left alone, one that failed is tried again. */
  add(files: Iterable<File>): void {
    const entries = [...this.snapshot.entries]
    for (const file of files) {
      const key = `${file.webkitRelativePath || file.name}/${file.size}/${file.lastModified}`
      const known = entries.findIndex(entry => entry.key === key)
      const entry: UploadEntry = { key, file, state: 'waiting', sent: 0 }
      if (known < 0) entries.push(entry)
      else if (entries[known]?.state === 'failed') entries[known] = entry
    }
    this.change({ entries })
  }

  /** Stops sending, or goes on where each file stopped. */
  togglePause(): void {
    const paused = !this.snapshot.paused
    for (const upload of this.uploads.values()) {
      if (paused) void upload.abort()
      else upload.start()
    }
    this.change({ paused })
  }

  retryFailed(): void {
    this.change({
      entries: this.snapshot.entries.map(entry => (entry.state === 'failed' ? { ...entry, state: 'waiting' } : entry)),
    })
  }

  clear(): void {
    this.change({ entries: [] })
  }

  private change(next: Partial<UploadSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...next }
    this.fill()
    for (const listener of this.listeners) listener()
  }

  private update(key: string, next: Partial<UploadEntry>): void {
    this.change({ entries: this.snapshot.entries.map(entry => (entry.key === key ? { ...entry, ...next } : entry)) })
  }

  /** Starts waiting files while there is room. */
  private fill(): void {
    if (this.snapshot.paused) return
    const waiting = this.snapshot.entries.filter(entry => entry.state === 'waiting' && !this.uploads.has(entry.key))
    for (const entry of waiting.slice(0, Math.max(0, parallel - this.uploads.size))) this.begin(entry)
  }

  private begin({ key, file }: UploadEntry): void {
    let duplicate = false
    const end = (next: Partial<UploadEntry>) => {
      this.uploads.delete(key)
      this.update(key, next)
    }
    const upload = new Upload(file, {
      endpoint: `/v1/families/${this.familyId}/uploads`,
      retryDelays: retryDelaysMs,
      removeFingerprintOnSuccess: true,
      metadata: {
        filename: file.name,
        filetype: file.type,
        lastModified: new Date(file.lastModified).toISOString(),
        ...(file.webkitRelativePath ? { relativePath: file.webkitRelativePath } : {}),
      },
      onBeforeRequest: async request => {
        for (const [name, value] of Object.entries(await authorization())) request.setHeader(name, value)
      },
      onShouldRetry: (error, attempt, options) => {
        const status = error.originalResponse?.getStatus() ?? 0
        if (status === 401) void refresh()
        return retryable(status) && attempt < (options.retryDelays?.length ?? 0)
      },
      onProgress: sent => this.update(key, { state: 'uploading', sent }),
      onAfterResponse: (_request, response) => {
        duplicate ||= response.getHeader('Keepsake-Duplicate') === 'true'
      },
      onSuccess: () => {
        end({ state: duplicate ? 'duplicate' : 'done', sent: file.size })
        this.uploaded()
      },
      onError: error => {
        const message = sentenceOf(error)
        end({ state: 'failed', ...(message ? { message } : {}) })
      },
    })
    this.uploads.set(key, upload)
    void upload.findPreviousUploads().then(previous => {
      const first = previous[0]
      if (first) upload.resumeFromPreviousUpload(first)
      if (!this.snapshot.paused) upload.start()
    })
  }
}

/** The sentence of the problem that the server answered with. */
function sentenceOf(error: Error): string | undefined {
  const body = (error as { originalResponse?: { getBody(): string } | null }).originalResponse?.getBody()
  try {
    return body ? (JSON.parse(body) as { detail?: string }).detail : undefined
  } catch {
    return undefined
  }
}
