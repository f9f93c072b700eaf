import { useState } from 'react'
import { useLanguage } from '../i18n/messages.tsx'
import { FormError } from '../parts/states.tsx'
import { LanguageChoice } from '../parts/language-choice.tsx'
import { useSession } from '../session.tsx'

/** Signing in, and making an account. */
export function SignInScreen() {
  const { m } = useLanguage()
  const session = useSession()
  const [creating, setCreating] = useState(false)
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const submit = async (form: FormData) => {
    setBusy(true)
    setError(undefined)
    const text = (name: string) => String(form.get(name) ?? '')
    try {
      if (creating) await session.createAccount(text('email'), text('password'), text('name'))
      else await session.signIn(text('email'), text('password'))
    } catch (refused) {
      setError(refused)
    } finally {
      setBusy(false)
    }
  }
  return (
    <div className="door">
      <form
        className="card"
        onSubmit={event => {
          event.preventDefault()
          void submit(new FormData(event.currentTarget))
        }}
      >
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1>{m.appName}</h1>
        <p className="tagline">{m.tagline}</p>
        {creating && (
          <label>
            {m.yourName}
            <input name="name" required autoComplete="name" maxLength={100} />
          </label>
        )}
        <label>
          {m.email}
          <input name="email" type="email" required autoComplete="username" inputMode="email" />
        </label>
        <label>
          {m.password}
          <input
            name="password"
            type="password"
            required
            autoComplete={creating ? 'new-password' : 'current-password'}
            {...(creating ? { minLength: 10, 'aria-describedby': 'password-hint' } : {})}
          />
          {creating && <small id="password-hint">{m.passwordHint}</small>}
        </label>
        <FormError error={error} />
        <button type="submit" className="primary" disabled={busy}>
          {creating ? m.createAccount : m.signIn}
        </button>
        <button type="button" className="quiet" onClick={() => setCreating(!creating)}>
          {creating ? m.haveAccount : m.createAccount}
        </button>
        <LanguageChoice />
      </form>
    </div>
  )
}
