import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRef } from 'react'
import { api } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily, useFamilyChange, useMembers, useSession } from '../session.tsx'
import { FormError } from './states.tsx'

/** What a person sets about themselves: the name that the family sees, and the password. */
export function Account() {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const members = useMembers()
  const me = members.data?.items.find(member => member.me)
  const rename = useMutation({
    mutationFn: (name: string) => api('PATCH', `/families/${family.id}/members/${me?.id}`, { name }),
    // Comments show it, too.
    onSuccess: () => client.invalidateQueries(),
  })
  return (
    <section>
      <h2>{m.account}</h2>
      {me && <NameForm key={me.name} label={m.ownName} name={me.name} save={rename} />}
      <Password />
    </section>
  )
}

/** The family's name, for parents to change. */
export function FamilyName() {
  const { m } = useLanguage()
  const family = useFamily()
  const change = useFamilyChange()
  return (
    <NameForm
      key={family.name}
      label={m.familyName}
      name={family.name}
      save={{ ...change, mutate: name => change.mutate({ name }) }}
    />
  )
}

function NameForm({
  label,
  name,
  save,
}: {
  label: string
  name: string
  save: { mutate(name: string): void; isPending: boolean; error: Error | null }
}) {
  const { m } = useLanguage()
  return (
    <form
      className="row"
      onSubmit={event => {
        event.preventDefault()
        save.mutate(String(new FormData(event.currentTarget).get('name')))
      }}
    >
      <label>
        {label}
        <input name="name" required maxLength={100} defaultValue={name} />
      </label>
      <button type="submit" disabled={save.isPending}>
        {m.save}
      </button>
      <FormError error={save.error} />
    </form>
  )
}

function Password() {
  const { m } = useLanguage()
  const session = useSession()
  const form = useRef<HTMLFormElement>(null)
  const change = useMutation({
    mutationFn: (given: FormData) =>
      session.changePassword(String(given.get('currentPassword')), String(given.get('newPassword'))),
    onSuccess: () => form.current?.reset(),
  })
  return (
    <details>
      <summary>{m.changePassword}</summary>
      <form
        ref={form}
        onSubmit={event => {
          event.preventDefault()
          change.mutate(new FormData(event.currentTarget))
        }}
      >
        <label>
          {m.currentPassword}
          <input name="currentPassword" type="password" required autoComplete="current-password" />
        </label>
        <label>
          {m.newPassword}
          <input
            name="newPassword"
            type="password"
            required
            minLength={10}
            autoComplete="new-password"
            aria-describedby="new-password-hint"
          />
          <small id="new-password-hint">{m.passwordHint}</small>
        </label>
        <p className="muted">{m.passwordText}</p>
        <button type="submit" disabled={change.isPending}>
          {m.changePassword}
        </button>
        {change.isSuccess && <p role="status">{m.passwordChanged}</p>}
        <FormError error={change.error} />
      </form>
    </details>
  )
}
