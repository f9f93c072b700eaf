import { useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { UploadQueue, type UploadSnapshot } from './upload-queue.ts'

interface Uploads {
  add(files: Iterable<File>): void
  choose(): void
}

const UploadContext = createContext<Uploads | undefined>(undefined)

/** Adds files to the album from anywhere below the provider. */
export function useUploads(): Uploads {
  const uploads = useContext(UploadContext)
  if (!uploads) throw new Error('useUploads outside UploadProvider')
  return uploads
}

/** Takes files by drop or by choice, anywhere in the album, and shows how far they are. */
export function UploadProvider({ children }: { children: ReactNode }) {
  const family = useFamily()
  const client = useQueryClient()
  const { m } = useLanguage()
  const input = useRef<HTMLInputElement>(null)
  const queue = useMemo(
    () =>
      new UploadQueue(family.id, () => {
        void client.invalidateQueries({ queryKey: ['processing'] })
        void client.invalidateQueries({ queryKey: ['media'] })
      }),
    [family.id, client],
  )
  const snapshot = useSyncExternalStore(queue.subscribe, queue.read)
  const [dragging, setDragging] = useState(false)
  const value = useMemo<Uploads>(
    () => ({ add: files => queue.add(files), choose: () => input.current?.click() }),
    [queue],
  )
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
          queue.add(event.dataTransfer.files)
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
          queue.add(event.target.files ?? [])
          event.target.value = ''
        }}
      />
      {snapshot.entries.length > 0 && <UploadPanel queue={queue} snapshot={snapshot} />}
    </UploadContext>
  )
}

function UploadPanel({ queue, snapshot: { entries, paused } }: { queue: UploadQueue; snapshot: UploadSnapshot }) {
  const { m } = useLanguage()
  const count = (state: string) => entries.filter(entry => entry.state === state).length
  const total = entries.reduce((sum, entry) => sum + entry.file.size, 0)
  const sent = entries.reduce((sum, entry) => sum + entry.sent, 0)
  const pending = count('waiting') + count('uploading')
  const failed = entries.filter(entry => entry.state === 'failed')
  return (
    <aside className="upload-panel" aria-live="polite">
      <header>
        <strong>
          {pending > 0
            ? m.uploading(entries.length - pending, entries.length)
            : m.uploadDone(count('done'), count('duplicate'))}
        </strong>
        {pending > 0 ? (
          <button type="button" onClick={() => queue.togglePause()}>
            {paused ? m.resume : m.pause}
          </button>
        ) : (
          <button type="button" onClick={() => queue.clear()}>
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
              <progress max={Math.max(1, entry.file.size)} value={entry.sent} aria-label={entry.file.name} />
            </li>
          ))}
        {failed.map(entry => (
          <li key={entry.key} className="failed">
            <span>{entry.file.name}</span>
            <small>{entry.message ?? m.somethingWrong}</small>
          </li>
        ))}
      </ul>
      {failed.length > 0 && (
        <footer>
          <span>{m.uploadFailed(failed.length)}</span>
          <button type="button" onClick={() => queue.retryFailed()}>
            {m.retry}
          </button>
        </footer>
      )}
    </aside>
  )
}
