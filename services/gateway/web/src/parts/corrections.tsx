import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api, type Media } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { Icon } from './icon.tsx'
import { FormError } from './states.tsx'

/** Corrects the facts of an item: only what was changed is sent, and each correction can be taken back. */
export function Corrections({ media, close }: { media: Media; close(): void }) {
  const { m } = useLanguage()
  const family = useFamily()
  const path = `/families/${family.id}/media/${media.id}`
  const [takenAt, setTakenAt] = useState(media.takenAt?.slice(0, 16) ?? '')
  const [city, setCity] = useState(media.place?.city ?? '')
  const [country, setCountry] = useState(media.place?.country ?? '')
  const [description, setDescription] = useState(media.description ?? '')
  const [rotation, setRotation] = useState(media.rotation ?? 0)
  const save = useMutation({
    mutationFn: () =>
      api('PATCH', path, {
        ...(takenAt && takenAt !== media.takenAt?.slice(0, 16) ? { takenAt: `${takenAt}:00` } : {}),
        ...(city !== (media.place?.city ?? '') || country !== (media.place?.country ?? '')
          ? { place: { city, country } }
          : {}),
        ...(description !== (media.description ?? '') ? { description } : {}),
        ...(rotation !== (media.rotation ?? 0) ? { rotation } : {}),
      }),
    onSuccess: close,
  })
  const takeBack = useMutation({
    mutationFn: () => api('PATCH', path, Object.fromEntries((media.corrected ?? []).map(field => [field, null]))),
    onSuccess: close,
  })
  return (
    <form
      className="corrections"
      onSubmit={event => {
        event.preventDefault()
        save.mutate()
      }}
    >
      <label>
        {m.takenAt}
        <input type="datetime-local" value={takenAt} onChange={event => setTakenAt(event.target.value)} />
      </label>
      <div className="row">
        <label>
          {m.city}
          <input value={city} onChange={event => setCity(event.target.value)} maxLength={100} />
        </label>
        <label>
          {m.country}
          <input value={country} onChange={event => setCountry(event.target.value)} maxLength={100} />
        </label>
      </div>
      <label>
        {m.description}
        <textarea
          value={description}
          onChange={event => setDescription(event.target.value)}
          rows={3}
          maxLength={2000}
        />
      </label>
      <button type="button" onClick={() => setRotation((rotation + 90) % 360)}>
        <Icon name="rotate" /> {m.rotate} {rotation}°
      </button>
      <FormError error={save.error ?? takeBack.error} />
      <div className="row">
        <button type="submit" className="primary" disabled={save.isPending}>
          {m.save}
        </button>
        <button type="button" onClick={close}>
          {m.cancel}
        </button>
        {(media.corrected?.length ?? 0) > 0 && (
          <button type="button" disabled={takeBack.isPending} onClick={() => takeBack.mutate()}>
            {m.takeBack}
          </button>
        )}
      </div>
    </form>
  )
}
