import type { Person } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { FaceCrop } from './face-crop.tsx'
import { forChoice, personFacts } from './person-facts.ts'

/** People to choose one from, each by face, name and what tells those without a name apart. */
export function PersonChoice({ label, people, choose }: { label: string; people: Person[]; choose(id: string): void }) {
  const { locale } = useLanguage()
  return (
    <ul className="person-choice" aria-label={label}>
      {forChoice(people, locale).map(person => (
        <li key={person.id}>
          <button type="button" className="candidate" onClick={() => choose(person.id)}>
            <PersonLabel person={person} />
          </button>
        </li>
      ))}
    </ul>
  )
}

/** Face, name and facts of a person, for a button. */
export function PersonLabel({ person }: { person: Person | undefined }) {
  const { m, locale } = useLanguage()
  return (
    <>
      <FaceCrop url={person?.coverUrl} name={person?.name} />
      <span>
        {person?.name ?? m.noName}
        {person && <small>{personFacts(person, m, locale)}</small>}
      </span>
    </>
  )
}
