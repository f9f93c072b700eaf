import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, type Correction, type List, type Person } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily, useMembers } from '../session.tsx'
import { FaceCrop } from './face-crop.tsx'
import { FormError } from './states.tsx'
import { leaveIt, openOnes } from './left-disagreements.ts'

/** What members are called, by their ids. */
export function useMemberNames(): (id: string) => string {
  const { m } = useLanguage()
  const members = useMembers()
  return id => {
    const member = members.data?.items.find(candidate => candidate.id === id)
    return member === undefined ? m.formerMember : member.me ? m.me : m.memberName(member.name)
  }
}

/** Words about people that a later word overruled: both are kept, the later one holds until it is taken back. */
export function Disagreements({ people, refresh }: { people: Person[]; refresh(): void }) {
  const { m, locale } = useLanguage()
  const family = useFamily()
  const nameOf = useMemberNames()
  const [left, setLeft] = useState(0)
  const corrections = useQuery({
    queryKey: ['corrections', family.id],
    queryFn: () => api<List<Correction>>('GET', `/families/${family.id}/corrections?overruled=true&limit=20`),
  })
  const undo = useMutation({
    mutationFn: (id: string) => api('POST', `/families/${family.id}/corrections/${id}/undo`, {}),
    onSettled: refresh,
  })
  const open = openOnes(corrections.data?.items ?? [], localStorage).slice(0, 3)
  if (open.length === 0) return null
  const day = (at: string) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(at))
  return (
    <section className="questions" data-left={left}>
      <h2>{m.disagreeTitle}</h2>
      <ul>
        {open.map(({ correction, later }) => {
          const person = people.find(candidate => candidate.id === correction.personId)
          return (
            <li key={correction.id}>
              <FaceCrop url={person?.coverUrl} name={person?.name} />
              <div>
                <p>
                  {m.disagree(
                    m.disagreeAbout(later.about),
                    nameOf(correction.by),
                    day(correction.at),
                    nameOf(later.by),
                    day(later.at),
                  )}
                </p>
                <div className="row">
                  <button type="button" disabled={undo.isPending} onClick={() => undo.mutate(later.correctionId)}>
                    {m.undoLater(nameOf(later.by))}
                  </button>
                  <button
                    type="button"
                    onClick={() => {
                      leaveIt(correction, localStorage)
                      setLeft(left + 1)
                    }}
                  >
                    {m.leaveIt}
                  </button>
                </div>
              </div>
            </li>
          )
        })}
      </ul>
      <FormError error={undo.error} />
    </section>
  )
}
