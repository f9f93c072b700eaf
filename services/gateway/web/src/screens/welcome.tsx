import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { api, type Family } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { ConsentQuestion, consentTextVersion } from '../parts/consent.tsx'
import { FormError } from '../parts/states.tsx'

/** The first steps of an account that has no family yet: make one, or join one. */
export function WelcomeScreen() {
  const { m, locale } = useLanguage()
  const client = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [timeZone, setTimeZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone)
  const [code, setCode] = useState('')
  const create = useMutation({
    mutationFn: (consent: boolean) =>
      api<Family>('POST', '/families', {
        name,
        timeZone,
        locale,
        faceRecognition: { consent, textVersion: consentTextVersion },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['families'] }),
  })
  return (
    <div className="door">
      <div className="card wide">
        <h1>{m.welcomeTitle}</h1>
        <label>
          {m.familyName}
          <input value={name} onChange={event => setName(event.target.value)} required maxLength={100} />
        </label>
        <label>
          {m.timeZone}
          <select value={timeZone} onChange={event => setTimeZone(event.target.value)}>
            {Intl.supportedValuesOf('timeZone').map(zone => (
              <option key={zone}>{zone}</option>
            ))}
          </select>
        </label>
        <ConsentQuestion busy={create.isPending || name.trim() === ''} onAnswer={consent => create.mutate(consent)} />
        <FormError error={create.error} />
        <details>
          <summary>{m.joinFamily}</summary>
          <form
            onSubmit={event => {
              event.preventDefault()
              void navigate(`/join/${encodeURIComponent(code.trim())}`)
            }}
          >
            <label>
              {m.invitationCode}
              <input value={code} onChange={event => setCode(event.target.value)} required />
            </label>
            <button type="submit">{m.join}</button>
          </form>
        </details>
      </div>
    </div>
  )
}
