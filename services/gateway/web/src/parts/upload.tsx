import { useQueryClient } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { Upload } from 'tus-js-client'
import { authorization, refresh } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'

/** How many files travel at once: enough to hide latency, few enough to keep the first ones quick. */
const parallel = 3
/** Pauses before a broken connection is tried again; the upload goes on at the offset the server has. */
const retryDelaysMs = [0, 500, 1_500, 4_000, 10_000, 20_000]

interface Entry {
  key: string
  file: File
  state: 'waiting' | 'uploading' | 'done' | 'duplicate' | 'failed'
  sent: number
  message?: string
  upload?: Upload
}

interface Uploads {
  add(files: Iterable<File>): void
  choose(): void
}

const UploadContext = createContext<Uploads | undefined>(undefined)

/** Uploads files in the background of the whole album, resumable, with a panel that shows how far they are. */
export function UploadProvider({ children }: { children: ReactNode }) {
  const family = useFamily()
  const client = useQueryClient()
  const { m } = useLanguage()
  const input = useRef<HTMLInputElement>(null)
  const entries = useRef<Entry[]>([])
  const [, redraw] = useState(0)
  const [paused, setPaused] = useState(false)
  const [dragging, setDragging] = useState(false)
  const changed = useCallback(() => redraw(count => count + 1), [])

  const begin = useCallback(
    (entry: Entry) => {
      entry.state = 'uploading'
      const file = entry.file
      const upload = new Upload(file, {
        endpoint: `/v1/families/${family.id}/uploads`,
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
          return status === 0 || status === 401 || status === 409 || status === 423 || status === 429 || status >= 500
            ? attempt < (options.retryDelays?.length ?? 0)
            : false
        },
        onProgress: sent => {
          entry.sent = sent
          changed()
        },
        onAfterResponse: (_request, response) => {
          if (response.getHeader('Keepsake-Duplicate') === 'true') entry.state = 'duplicate'
        },
        onSuccess: () => {
          if (entry.state !== 'duplicate') entry.state = 'done'
          void client.invalidateQueries({ queryKey: ['processing'] })
          void client.invalidateQueries({ queryKey: ['media'] })
          changed()
        },
        onError: error => {
          entry.state = 'failed'
          entry.message = problemOf(error) ?? m.somethingWrong
          changed()
        },
      })
      entry.upload = upload
      void upload.findPreviousUploads().then(previous => {
        const first = previous[0]
        if (first) upload.resumeFromPreviousUpload(first)
        upload.start()
      })
    },
    [family.id, client, changed, m],
  )

  useEffect(() => {
    if (paused) return
    const running = entries.current.filter(entry => entry.state === 'uploading').length
    for (const entry of entries.current.filter(e => e.state === 'waiting').slice(0, Math.max(0, parallel - running)))
      begin(entry)
  })

  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        const key = `${file.webkitRelativePath || file.name}/${file.size}/${file.lastModified}`
        if (!entries.current.some(entry => entry.key === key && entry.state !== 'failed'))
          entries.current.push({ key, file, state: 'waiting', sent: 0 })
      }
      changed()
    },
    [changed],
  )
  const value = useMemo(() => ({ add, choose: () => input.current?.click() }), [add])

  const togglePause = () => {
    for (const entry of entries.current)
      if (entry.state === 'uploading') {
        if (paused) entry.upload?.start()
        else void entry.upload?.abort()
      }
    setPaused(!paused)
  }

  return (
    <UploadContext value={value}>
      <div
        className="drop-area"
        data-dragging={dragging}
        onDragOver={event => {
          if (!event.dataTransfer.types.includes('Files')) return
          event.preventDefault()
          setDragging(true)
        }}
        onDragLeave={event => {
          if (event.currentTarget === event.target) setDragging(false)
        }}
        onDrop={event => {
          event.preventDefault()
          setDragging(false)
          add(event.dataTransfer.files)
        }}
      >
        {children}
        {dragging && <div className="drop-hint">{m.dropHere}</div>}
      </div>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept="image/*,video/*,.heic,.heif,.avif,.jxl,.mkv,.xmp"
        onChange={event => {
          add(event.target.files ?? [])
          event.target.value = ''
        }}
      />
      {entries.current.length > 0 && (
        <UploadPanel
          entries={entries.current}
          paused={paused}
          onPause={togglePause}
          onRetry={() => {
            for (const entry of entries.current) if (entry.state === 'failed') entry.state = 'waiting'
            changed()
          }}
          onClose={() => {
            entries.current = []
            changed()
          }}
        />
      )}
    </UploadContext>
  )
}

/** Adds files to the album from anywhere below the provider. */
export function useUploads(): Uploads {
  const uploads = useContext(UploadContext)
  if (!uploads) throw new Error('useUploads outside UploadProvider')
  return uploads
}

function problemOf(error: Error): string | undefined {
  const body = (error as { originalResponse?: { getBody(): string } | null }).originalResponse?.getBody()
  try {
    return body ? (JSON.parse(body) as { detail?: string }).detail : undefined
  } catch {
    return undefined
  }
}

function UploadPanel(props: { entries: Entry[]; paused: boolean; onPause(): void; onRetry(): void; onClose(): void }) {
  const { m } = useLanguage()
  const { entries } = props
  const count = (state: Entry['state']) => entries.filter(entry => entry.state === state).length
  const total = entries.reduce((sum, entry) => sum + entry.file.size, 0)
  const sent = entries.reduce(
    (sum, e) => sum + (e.state === 'done' || e.state === 'duplicate' ? e.file.size : e.sent),
    0,
  )
  const busy = count('waiting') + count('uploading') > 0
  const failed = entries.filter(entry => entry.state === 'failed')
  return (
    <aside className="upload-panel" aria-live="polite">
      <header>
        <strong>
          {busy
            ? m.uploading(entries.length - count('waiting') - count('uploading'), entries.length)
            : m.uploadDone(count('done'), count('duplicate'))}
        </strong>
        {busy ? (
          <button type="button" onClick={props.onPause}>
            {props.paused ? m.resume : m.pause}
          </button>
        ) : (
          <button type="button" onClick={props.onClose}>
            {m.close}
          </button>
        )}
      </header>
      <progress max={Math.max(1, total)} value={sent} aria-label={m.upload} />
      <ul>
        {entries
          .filter(entry => entry.state === 'uploading')
          .map(entry => (
            <li key={entry.key}>
              <span>{entry.file.name}</span>
              <progress max={Math.max(1, entry.file.size)} value={entry.sent} />
            </li>
          ))}
        {failed.map(entry => (
          <li key={entry.key} className="failed">
            <span>{entry.file.name}</span>
            <small>{entry.message}</small>
          </li>
        ))}
      </ul>
      {failed.length > 0 && (
        <footer>
          <span>{m.uploadFailed(failed.length)}</span>
          <button type="button" onClick={props.onRetry}>
            {m.retry}
          </button>
        </footer>
      )}
    </aside>
  )
}
