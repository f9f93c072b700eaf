import { Problem } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'

/** While something is on its way. */
export function Loading() {
  return (
    <div className="loading" role="status" aria-live="polite">
      <span className="spinner" />
    </div>
  )
}

/** What went wrong, in the words of the API where it had any, and a way on. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { m } = useLanguage()
  const text = error instanceof Problem ? (error.status === 404 ? m.notFound : error.message) : m.offline
  return (
    <div className="notice" role="alert">
      <p>{text}</p>
      {retry && (
        <button type="button" onClick={retry}>
          {m.retry}
        </button>
      )}
    </div>
  )
}

/** The sentence of a refused form. */
export function FormError({ error }: { error: unknown }) {
  const { m } = useLanguage()
  if (!error) return null
  return (
    <p className="form-error" role="alert">
      {error instanceof Problem ? error.message : m.somethingWrong}
    </p>
  )
}

/** Nothing to show, and why. */
export function Empty({ title, text, children }: { title?: string; text: string; children?: React.ReactNode }) {
  return (
    <div className="empty">
      {title && <h2>{title}</h2>}
      <p>{text}</p>
      {children}
    </div>
  )
}
