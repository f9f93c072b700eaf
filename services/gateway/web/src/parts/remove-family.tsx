import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { erase } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { sameName } from './same-name.ts'
import { FormError } from './states.tsx'

/** Removes the family for good. What will happen is said first, and the family's name must be typed; the receipt follows. */
export function RemoveFamily() {
  const { m } = useLanguage()
  const family = useFamily()
  const navigate = useNavigate()
  const [open, setOpen] = useState(false)
  const [typed, setTyped] = useState('')
  const remove = useMutation({
    mutationFn: () => erase(`/families/${family.id}`),
    onSuccess: erasure => void navigate(`/erased/${erasure}`, { replace: true }),
  })
  return (
    <section>
      <h2>{m.removeFamily}</h2>
      {open ? (
        <form
          className="danger"
          onSubmit={event => {
            event.preventDefault()
            if (sameName(typed, family.name)) remove.mutate()
          }}
        >
          <p>{m.removeFamilyText}</p>
          <label>
            {m.removeFamilyType(family.name)}
            <input value={typed} onChange={event => setTyped(event.target.value)} autoComplete="off" autoFocus />
          </label>
          <div className="row">
            <button type="submit" className="destructive" disabled={!sameName(typed, family.name) || remove.isPending}>
              {m.removeFamilySure}
            </button>
            <button
              type="button"
              onClick={() => {
                setOpen(false)
                setTyped('')
              }}
            >
              {m.cancel}
            </button>
          </div>
        </form>
      ) : (
        <button type="button" onClick={() => setOpen(true)}>
          {m.removeFamilyStart}
        </button>
      )}
      <FormError error={remove.error} />
    </section>
  )
}
