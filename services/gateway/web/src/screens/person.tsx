import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router'
import { api, type Child, type Correction, type List, type Media, type Person } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useMemberNames } from '../parts/disagreements.tsx'
import { FaceCrop } from '../parts/face-crop.tsx'
import { MonthGrid } from '../parts/media-grid.tsx'
import { useMediaList, useNearEnd } from '../parts/media-list.ts'
import { PersonChoice } from '../parts/person-choice.tsx'
import { Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** One person: the name, the items, and the corrections a parent can make; the last one can be taken back. */
export function PersonScreen() {
  const { id = '' } = useParams()
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const navigate = useNavigate()
  const base = `/families/${family.id}/people`
  const people = useQuery({
    queryKey: ['people', family.id, true],
    queryFn: () => api<List<Person>>('GET', `${base}?hidden=true&limit=500`),
  })
  // Asked for alone too: somebody who is on one picture only is in no list, and can be named from that picture.
  const one = useQuery({
    queryKey: ['people', family.id, 'one', id],
    queryFn: () => api<Person>('GET', `${base}/${id}`),
  })
  const children = useQuery({
    queryKey: ['children', family.id],
    queryFn: () => api<List<Child>>('GET', `/families/${family.id}/children`),
  })
  const list = useMediaList({ person: id })
  const more = () => {
    if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
  }
  const end = useNearEnd(more)
  const [merging, setMerging] = useState(false)
  const [undoable, setUndoable] = useState<string | undefined>()
  const [overruled, setOverruled] = useState<string[]>([])
  const nameOf = useMemberNames()
  const refreshAll = () => {
    for (const key of ['people', 'questions', 'corrections', 'proposals', 'children', 'pages', 'media', 'item'])
      void client.invalidateQueries({ queryKey: [key] })
  }
  const correct = useMutation({
    mutationFn: ({ method, path, body }: { method: string; path: string; body: unknown }) =>
      api<{ correctionId?: string; correctionIds?: string[]; overruled?: Correction[] }>(method, path, body),
    onSuccess: answer => {
      setUndoable(answer?.correctionId ?? answer?.correctionIds?.at(-1))
      setOverruled([...new Set((answer?.overruled ?? []).map(word => word.by))])
    },
    onSettled: refreshAll,
  })
  const undo = useMutation({
    mutationFn: (correction: string) => api('POST', `/families/${family.id}/corrections/${correction}/undo`, {}),
    onSuccess: () => {
      setUndoable(undefined)
      setOverruled([])
    },
    onSettled: refreshAll,
  })
  const [picked, setPicked] = useState<ReadonlySet<string> | undefined>()
  /** The faces of this person on the picked items. */
  const pickedFaces = async () => {
    const items = await Promise.all(
      [...(picked ?? [])].map(item => api<Media>('GET', `/families/${family.id}/media/${item}`)),
    )
    return items.flatMap(item => item.faces ?? []).filter(face => face.personId === id)
  }
  const separate = useMutation({
    mutationFn: async (another: boolean) => {
      const faces = await pickedFaces()
      if (another)
        return api<{ correctionId?: string }>('POST', `${base}/${id}/split`, { faceIds: faces.map(face => face.id) })
      let last: { correctionId?: string } = {}
      for (const face of faces)
        last = await api('POST', `/families/${family.id}/faces/${face.id}/reject`, { personId: id })
      return last
    },
    onSuccess: answer => setUndoable(answer.correctionId),
    onSettled: () => {
      setPicked(undefined)
      refreshAll()
    },
  })
  const known = useMutation({
    mutationFn: () => api<unknown>('GET', `${base}/${id}/export`),
    onSuccess: answer => saveAs(`${id}.json`, JSON.stringify(answer, null, 2)),
  })
  const forget = useMutation({
    mutationFn: () => api('POST', `${base}/${id}/not-ours`, {}),
    onSuccess: () => void navigate('/people', { replace: true }),
    onSettled: refreshAll,
  })
  if (people.isPending || one.isPending) return <Loading />
  if (people.isError) return <Failure error={people.error} retry={() => void people.refetch()} />
  if (one.isError) return <Failure error={one.error} retry={() => void one.refetch()} />
  const person = one.data
  const others = people.data.items.filter(candidate => candidate.id !== id)
  const items = list.data?.pages.flatMap(page => page.items) ?? []
  const parent = family.role === 'parent'
  return (
    <>
      <header className="person-head">
        <FaceCrop url={person.coverUrl} name={person.name} />
        <div>
          {parent ? (
            <NameForm
              key={person.name}
              person={person}
              save={name => correct.mutate({ method: 'PATCH', path: `${base}/${id}`, body: { name } })}
            />
          ) : (
            <h1>{person.name ?? m.unknownPerson}</h1>
          )}
          <small>
            {m.photosOf(person.mediaCount)}
            {person.age !== undefined && ` · ${m.aboutYears(Math.round(person.age))}`}
          </small>
        </div>
      </header>
      {parent && (
        <div className="row person-actions">
          <select
            aria-label={m.child}
            value={person.childId ?? ''}
            onChange={event =>
              correct.mutate({ method: 'PATCH', path: `${base}/${id}`, body: { childId: event.target.value || null } })
            }
          >
            <option value="">{person.childId ? m.unlinkChild : m.linkChild}</option>
            {children.data?.items.map(child => (
              <option key={child.id} value={child.id}>
                {child.name}
              </option>
            ))}
          </select>
          {others.length > 0 && (
            <button type="button" aria-expanded={merging} onClick={() => setMerging(!merging)}>
              {m.merge}
            </button>
          )}
          <button
            type="button"
            onClick={() => correct.mutate({ method: 'PATCH', path: `${base}/${id}`, body: { hidden: !person.hidden } })}
          >
            {person.hidden ? m.show : m.hide}
          </button>
          {person.name === undefined && person.childId === undefined && (
            <button
              type="button"
              disabled={forget.isPending}
              onClick={() => {
                if (window.confirm(m.notOursSure(person.mediaCount))) forget.mutate()
              }}
            >
              {m.notOurs}
            </button>
          )}
          <button
            type="button"
            aria-pressed={picked !== undefined}
            onClick={() => setPicked(picked ? undefined : new Set())}
          >
            {m.select}
          </button>
          {picked && picked.size > 0 && (
            <>
              <span className="muted">{m.selected(picked.size)}</span>
              <button type="button" disabled={separate.isPending} onClick={() => separate.mutate(false)}>
                {m.notThisPerson}
              </button>
              <button type="button" disabled={separate.isPending} onClick={() => separate.mutate(true)}>
                {m.splitOff}
              </button>
            </>
          )}
          <button type="button" disabled={known.isPending} onClick={() => known.mutate()}>
            {m.exportPerson}
          </button>
          {undoable && (
            <button type="button" disabled={undo.isPending} onClick={() => undo.mutate(undoable)}>
              {m.undo}
            </button>
          )}
        </div>
      )}
      {overruled.length > 0 && <p role="status">{m.overruledNow(overruled.map(nameOf).join(', '))}</p>}
      {parent && merging && (
        <PersonChoice
          label={m.merge}
          people={others}
          choose={into => {
            setMerging(false)
            // Only then: before, the other one's page would still show what it was.
            const onSuccess = () => void navigate(`/people/${into}`)
            correct.mutate({ method: 'POST', path: `${base}/${id}/merge`, body: { into } }, { onSuccess })
          }}
        />
      )}
      {(correct.isPending || separate.isPending || undo.isPending || forget.isPending) && <Loading />}
      <FormError error={correct.error ?? separate.error ?? undo.error ?? forget.error ?? known.error} />
      <MonthGrid
        items={items}
        {...(picked
          ? {
              picked,
              onPick: (item: string) => {
                const next = new Set(picked)
                if (!next.delete(item)) next.add(item)
                setPicked(next)
              },
            }
          : {})}
      />
      {list.hasNextPage && (
        <button type="button" ref={end} className="more" onClick={more}>
          {m.loadMore}
        </button>
      )}
    </>
  )
}

/** Hands a text to the browser as a file. */
function saveAs(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

function NameForm({ person, save }: { person: Person; save(name: string): void }) {
  const { m } = useLanguage()
  const [name, setName] = useState(person.name ?? '')
  return (
    <form
      className="row name-form"
      onSubmit={event => {
        event.preventDefault()
        save(name.trim())
      }}
    >
      <input
        value={name}
        onChange={event => setName(event.target.value)}
        placeholder={m.addName}
        aria-label={m.name}
        maxLength={100}
      />
      {name.trim() !== (person.name ?? '') && (
        <button type="submit" className="primary">
          {m.save}
        </button>
      )}
    </form>
  )
}
