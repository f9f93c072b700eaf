import { useEffect, useRef, useState } from 'react'
import { download } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { FormError } from './states.tsx'

/** Where a browser lets a page write into a file that a person chose (Chromium, on https and on this machine). */
type SaveFile = (options: {
  suggestedName: string
}) => Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }>

const megabyte = 1e6

/** Takes everything out of the album: the originals that the member may see, and one file that says what is known of them. */
export function ExportSection() {
  const { m } = useLanguage()
  const family = useFamily()
  const [bytes, setBytes] = useState<number>()
  const [done, setDone] = useState(false)
  const [error, setError] = useState<unknown>()
  const stop = useRef<AbortController>(undefined)
  useEffect(() => () => stop.current?.abort(), [])
  const start = async () => {
    const controller = new AbortController()
    stop.current = controller
    setError(undefined)
    setDone(false)
    try {
      await save(`/families/${family.id}/export`, `${family.name}.zip`, controller.signal, setBytes)
      setDone(true)
    } catch (refused) {
      // Who closes the dialog or stops has changed her mind: nothing went wrong.
      if (!(refused instanceof DOMException && refused.name === 'AbortError')) setError(refused)
    } finally {
      setBytes(undefined)
    }
  }
  return (
    <section>
      <h2>{m.exportTitle}</h2>
      <p>{m.exportText}</p>
      <div className="row">
        <button type="button" disabled={bytes !== undefined} onClick={() => void start()}>
          {m.exportStart}
        </button>
        {bytes !== undefined && (
          <button type="button" onClick={() => stop.current?.abort()}>
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
