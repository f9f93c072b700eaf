import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, type Audience, type List, type Media } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily, useMembers } from '../session.tsx'
import { FormError } from './states.tsx'

/** Who may see an item; a change is saved at once, for groups and members as soon as one is ticked. */
export function AudienceChoice({ media, changed }: { media: Media; changed(): void }) {
  const { m } = useLanguage()
  const family = useFamily()
  const [draft, setDraft] = useState<Audience | undefined>()
  const audience = draft ?? media.audience
  const members = useMembers(audience.kind === 'members')
  const groups = useQuery({
    queryKey: ['groups', family.id],
    queryFn: () => api<List<{ id: string; name: string }>>('GET', `/families/${family.id}/groups`),
    enabled: audience.kind === 'groups',
  })
  const save = useMutation({
    mutationFn: (next: Audience) => api('PATCH', `/families/${family.id}/media/${media.id}`, { audience: next }),
    onSuccess: () => {
      setDraft(undefined)
      changed()
    },
  })
  const choose = (next: Audience) => {
    setDraft(next)
    if (next.kind === 'everyone' || next.kind === 'parents' || (next.ids?.length ?? 0) > 0) save.mutate(next)
  }
  const options =
    audience.kind === 'members' ? members.data?.items.filter(member => member.role === 'relative') : groups.data?.items
  return (
    <section>
      <h2>{m.audienceTitle}</h2>
      <select
        aria-label={m.audienceTitle}
        value={audience.kind}
        onChange={event => choose({ kind: event.target.value as Audience['kind'] })}
      >
        <option value="everyone">{m.audienceEveryone}</option>
        <option value="parents">{m.audienceParents}</option>
        <option value="groups">{m.audienceGroups}</option>
        <option value="members">{m.audienceMembers}</option>
      </select>
      {(audience.kind === 'groups' || audience.kind === 'members') &&
        options?.map(option => (
          <label key={option.id} className="check">
            <input
              type="checkbox"
              checked={audience.ids?.includes(option.id) ?? false}
              onChange={event => {
                const others = (audience.ids ?? []).filter(id => id !== option.id)
                choose({ kind: audience.kind, ids: event.target.checked ? [...others, option.id] : others })
              }}
            />
            {option.name}
          </label>
        ))}
      <FormError error={save.error} />
    </section>
  )
}
