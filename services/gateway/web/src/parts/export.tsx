import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from 'react'
import { download } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { FormError } from './states.tsx'

/** Where a browser lets a page write into a file that a person chose (Chromium, on https and on this machine). */
type SaveFile = (options: {
  suggestedName: string
}) => Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }>

const megabyte = 1e6

interface Export {
  /** Bytes so far; undefined while none runs. */
  bytes: number | undefined
  done: boolean
  error: unknown
  start(): Promise<void>
  cancel(): void
}

const ExportContext = createContext<Export | undefined>(undefined)

/** Holds the export of the open album above its screens: a large one takes long, and whoever waits looks at something else meanwhile. */
export function ExportProvider({ children }: { children: ReactNode }) {
  const family = useFamily()
  const [bytes, setBytes] = useState<number>()
  const [done, setDone] = useState(false)
  const [error, setError] = useState<unknown>()
  const stop = useRef<AbortController>(undefined)
  useEffect(() => () => stop.current?.abort(), [family.id])
  const running = bytes !== undefined
  useEffect(() => {
    if (!running) return
    // The browser asks, in its own words, before the page is closed.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [running])
  const start = async () => {
    const controller = new AbortController()
    stop.current = controller
    setError(undefined)
    setDone(false)
    try {
      await save(`/families/${family.id}/export`, `${family.name}.zip`, controller.signal, setBytes)
      setDone(true)
    } catch (refused) {
      // Who stops has changed her mind, and so has who closes the dialog for the file: nothing went wrong.
      const closed = refused instanceof DOMException && refused.name === 'AbortError'
      if (!controller.signal.aborted && !closed) setError(refused)
    } finally {
      setBytes(undefined)
    }
  }
  return (
    <ExportContext value={{ bytes, done, error, start, cancel: () => stop.current?.abort() }}>{children}</ExportContext>
  )
}

function useExport(): Export {
  const running = useContext(ExportContext)
  if (!running) throw new Error('useExport outside ExportProvider')
  return running
}

/** Takes everything out of the album: the originals that the member may see, and one file that says what is known of them. */
export function ExportSection() {
  const { m } = useLanguage()
  const { bytes, done, error, start, cancel } = useExport()
  return (
    <section>
      <h2>{m.exportTitle}</h2>
      <p>{m.exportText}</p>
      <div className="row">
        <button type="button" disabled={bytes !== undefined} onClick={() => void start()}>
          {m.exportStart}
        </button>
        {bytes !== undefined && (
          <button type="button" onClick={cancel}>
            {m.cancel}
          </button>
        )}
      </div>
      <p role="status" className="muted">
        {bytes !== undefined && m.exporting(Math.floor(bytes / megabyte))}
        {done && m.exportDone}
      </p>
      <FormError error={error} />
    </section>
  )
}

/**
 * Writes an answer into a file: straight to the disk where the browser can, else through its own store for downloads. An answer that breaks
 * off is an error, and leaves no file that looks whole.
 */
async function save(path: string, name: string, signal: AbortSignal, progress: (bytes: number) => void): Promise<void> {
  const picker = (globalThis as { showSaveFilePicker?: SaveFile }).showSaveFilePicker
  const file = await picker?.({ suggestedName: name })
  progress(0)
  const body = await download(path, signal)
  let bytes = 0
  const counted = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        progress(bytes)
        controller.enqueue(chunk)
      },
    }),
  )
  if (file) return counted.pipeTo(await file.createWritable(), { signal })
  const url = URL.createObjectURL(await new Response(counted).blob())
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser has taken the bytes over by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
