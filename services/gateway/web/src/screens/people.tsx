import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { api, query, type Child, type ChildProposal, type List, type Person, type Question } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { Disagreements } from '../parts/disagreements.tsx'
import { FaceCrop } from '../parts/face-crop.tsx'
import { PersonLabel } from '../parts/person-choice.tsx'
import { answersTo } from '../parts/question-answers.ts'
import { Empty, Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** Everyone the album knows, with the questions it has about them. */
export function PeopleScreen() {
  const { m } = useLanguage()
  const family = useFamily()
  const [hidden, setHidden] = useState(false)
  const refreshPeople = useRefreshPeople()
  const people = useQuery({
    queryKey: ['people', family.id, hidden],
    queryFn: () =>
      api<List<Person>>('GET', `/families/${family.id}/people${query({ hidden: hidden || undefined, limit: 500 })}`),
  })
  if (people.isPending) return <Loading />
  if (people.isError) return <Failure error={people.error} retry={() => void people.refetch()} />
  const items = people.data.items
  return (
    <>
      <header className="toolbar">
        <h1>{m.peopleTitle}</h1>
        <label className="check">
          <input type="checkbox" checked={hidden} onChange={event => setHidden(event.target.checked)} />
          {m.showHidden}
        </label>
      </header>
      {family.role === 'parent' && (
        <>
          <Proposals people={items} />
          <Questions people={items} />
          <Disagreements people={items} refresh={refreshPeople} />
        </>
      )}
      {items.length === 0 && <Empty text={family.faceRecognition.consent ? m.peopleEmpty : m.peopleNoConsent} />}
      <ul className="people">
        {items.map(person => (
          <li key={person.id} data-hidden={person.hidden} data-person-id={person.id}>
            <Link to={`/people/${person.id}`}>
              <FaceCrop url={person.coverUrl} name={person.name} />
              <strong>{person.name ?? <span className="muted">{m.addName}</span>}</strong>
              <small>{m.photosOf(person.mediaCount)}</small>
            </Link>
          </li>
        ))}
      </ul>
    </>
  )
}

function useRefreshPeople() {
  const client = useQueryClient()
  return () => {
    for (const key of [
      'people',
      'person',
      'questions',
      'corrections',
      'proposals',
      'children',
      'pages',
      'media',
      'item',
    ])
      void client.invalidateQueries({ queryKey: [key] })
  }
}

function Proposals({ people }: { people: Person[] }) {
  const { m } = useLanguage()
  const family = useFamily()
  const refreshPeople = useRefreshPeople()
  const proposals = useQuery({
    queryKey: ['proposals', family.id],
    queryFn: () => api<List<ChildProposal>>('GET', `/families/${family.id}/children/proposals`),
  })
  const children = useQuery({
    queryKey: ['children', family.id],
    queryFn: () => api<List<Child>>('GET', `/families/${family.id}/children`),
  })
  const link = useMutation({
    mutationFn: ({ personId, childId }: { personId: string; childId: string }) =>
      api('PATCH', `/families/${family.id}/people/${personId}`, { childId }),
    onSettled: refreshPeople,
  })
  const shown = (proposals.data?.items ?? []).slice(0, 3)
  if (shown.length === 0) return null
  return (
    <section className="questions">
      <h2>{m.proposalTitle}</h2>
      <ul>
        {shown.map(proposal => {
          const person = people.find(candidate => candidate.id === proposal.personId)
          const fitting = children.data?.items.filter(child => !proposal.childId || child.id === proposal.childId) ?? []
          return (
            <li key={proposal.personId}>
              <FaceCrop url={person?.coverUrl} name={person?.name} />
              <div>
                <p>{proposal.reason}</p>
                <div className="row">
                  {fitting.map(child => (
                    <button
                      key={child.id}
                      type="button"
                      disabled={link.isPending}
                      onClick={() => link.mutate({ personId: proposal.personId, childId: child.id })}
                    >
                      {m.proposalYes(child.name)}
                    </button>
                  ))}
                  {fitting.length === 0 && (
                    <Link className="button" to={`/settings?person=${proposal.personId}`}>
                      {m.proposalNew}
                    </Link>
                  )}
                </div>
              </div>
            </li>
          )
        })}
      </ul>
      <FormError error={link.error} />
    </section>
  )
}

function Questions({ people }: { people: Person[] }) {
  const { m } = useLanguage()
  const family = useFamily()
  const refreshPeople = useRefreshPeople()
  const questions = useQuery({
    queryKey: ['questions', family.id],
    queryFn: () => api<List<Question>>('GET', `/families/${family.id}/questions`),
  })
  const answer = useMutation({
    mutationFn: ({ id, choice }: { id: string; choice: string }) =>
      api('POST', `/families/${family.id}/questions/${id}/answer`, { answer: choice }),
    onSettled: refreshPeople,
  })
  const question = questions.data?.items[0]
  if (!question) return null
  const someone = (personId: string) => {
    const person = people.find(each => each.id === personId)
    // As she looked about then, not as on her cover: that is what the face is compared with.
    const coverUrl = question.candidates.find(candidate => candidate.personId === personId)?.faceUrl
    return person && coverUrl !== undefined ? { ...person, coverUrl } : person
  }
  // About one person the question is a yes or a no, and she stands beside it instead of on a button.
  const only = question.candidates.length === 1 ? question.candidates[0]?.personId : undefined
  return (
    <section className="questions">
      <h2>{only === undefined ? m.questionsTitle : m.questionOfOne(someone(only)?.name)}</h2>
      <ul>
        <li>
          <FaceCrop url={question.faceUrl} name={undefined} />
          {only !== undefined && (
            <Link className="candidate" to={`/people/${only}`}>
              <PersonLabel person={someone(only)} />
            </Link>
          )}
          <div className="row">
            {answersTo(question).map(({ choice, says }) => (
              <button
                key={choice}
                type="button"
                className={says === 'person' ? 'candidate' : undefined}
                disabled={answer.isPending}
                onClick={() => answer.mutate({ id: question.id, choice })}
              >
                {says === 'person' ? <PersonLabel person={someone(choice)} /> : m[says]}
              </button>
            ))}
          </div>
        </li>
      </ul>
      <FormError error={answer.error} />
    </section>
  )
}
