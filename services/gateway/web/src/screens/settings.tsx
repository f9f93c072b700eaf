import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useSearchParams } from 'react-router'
import { api, type Child, type Erasure, type List, type Member } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { Account, FamilyName } from '../parts/account.tsx'
import { ConsentQuestion, consentTextVersion } from '../parts/consent.tsx'
import { ExportSection } from '../parts/export.tsx'
import { LanguageChoice } from '../parts/language-choice.tsx'
import { RemoveFamily } from '../parts/remove-family.tsx'
import { FormError } from '../parts/states.tsx'
import { useFamily, useFamilyChange, useMembers, useSession } from '../session.tsx'

/** The family's settings: children, consent, members, language. Relatives see what concerns them. */
export function SettingsScreen() {
  const { m } = useLanguage()
  const session = useSession()
  const family = useFamily()
  return (
    <div className="settings">
      <header className="toolbar">
        <h1>{m.settingsTitle}</h1>
      </header>
      <Account />
      <section>
        <h2>{m.language}</h2>
        <LanguageChoice />
        {family.role === 'parent' && <FamilyLanguage />}
      </section>
      <Children />
      {family.role === 'parent' && <FaceRecognition />}
      <Members />
      {family.role === 'parent' && <ExportSection />}
      {family.role === 'parent' && <Erasures />}
      {family.role === 'parent' && <RemoveFamily />}
      <section className="row">
        <button type="button" onClick={() => void session.signOut()}>
          {m.signOut}
        </button>
      </section>
    </div>
  )
}

/** The language that the family's films speak, whoever watches them. */
function FamilyLanguage() {
  const { m } = useLanguage()
  const family = useFamily()
  const save = useFamilyChange()
  return (
    <>
      <label>
        {m.filmLanguage}
        <select
          value={family.locale}
          disabled={save.isPending}
          onChange={event => save.mutate({ locale: event.target.value })}
        >
          <option value="en">English</option>
          <option value="ja">日本語</option>
        </select>
      </label>
      <FormError error={save.error} />
    </>
  )
}

function Children() {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const [params, setParams] = useSearchParams()
  const person = params.get('person')
  const [editing, setEditing] = useState<string>()
  const children = useQuery({
    queryKey: ['children', family.id],
    queryFn: () => api<List<Child>>('GET', `/families/${family.id}/children`),
  })
  const add = useMutation({
    mutationFn: async (form: FormData) => {
      const child = await api<Child>('POST', `/families/${family.id}/children`, {
        name: String(form.get('name')),
        birthDate: String(form.get('birthDate')),
      })
      if (person) await api('PATCH', `/families/${family.id}/people/${person}`, { childId: child.id })
    },
    onSuccess: () => {
      setParams({})
      void client.invalidateQueries()
    },
  })
  return (
    <section>
      <h2>{m.children}</h2>
      <ul className="names">
        {children.data?.items.map(child => (
          <li key={child.id}>
            {editing === child.id ? (
              <ChildForm child={child} close={() => setEditing(undefined)} />
            ) : (
              <>
                {child.name} <small>{child.birthDate}</small>
                {family.role === 'parent' && (
                  <button
                    type="button"
                    className="inline"
                    aria-label={m.editChild(child.name)}
                    onClick={() => setEditing(child.id)}
                  >
                    {m.edit}
                  </button>
                )}
                <BirthDateDoubt child={child} />
              </>
            )}
          </li>
        ))}
      </ul>
      {family.role === 'parent' && (
        <form
          className="row"
          onSubmit={event => {
            event.preventDefault()
            const form = event.currentTarget
            add.mutate(new FormData(form), { onSuccess: () => form.reset() })
          }}
        >
          <label>
            {m.name}
            <input name="name" required maxLength={100} autoFocus={person !== null} />
          </label>
          <label>
            {m.birthDate}
            <input name="birthDate" type="date" required max={new Date().toISOString().slice(0, 10)} />
          </label>
          <button type="submit" disabled={add.isPending}>
            {m.addChild}
          </button>
        </form>
      )}
      <FormError error={add.error} />
    </section>
  )
}

/** Tells a parent why a birth date may be wrong. */
function BirthDateDoubt({ child: { name, birthDateDoubt: doubt } }: { child: Child }) {
  const { m, locale } = useLanguage()
  if (!doubt) return null
  const { kind, mediaCount, earliest, years = 0, followed } = doubt
  const first = earliest ? new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(earliest)) : ''
  return (
    <p className="muted" role="note">
      {kind === 'before-birth'
        ? m.bornAfterPictures(name, mediaCount, first, followed)
        : m.looksOtherThanBirthDate(name, years, kind === 'looks-older')}
    </p>
  )
}

/** Corrects a child's name and birth date; ages, pages and titles follow. */
function ChildForm({ child, close }: { child: Child; close(): void }) {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const save = useMutation({
    mutationFn: (form: FormData) =>
      api('PATCH', `/families/${family.id}/children/${child.id}`, {
        name: String(form.get('name')),
        birthDate: String(form.get('birthDate')),
      }),
    onSuccess: () => {
      close()
      void client.invalidateQueries()
    },
  })
  return (
    <form
      className="row"
      aria-label={m.editChild(child.name)}
      onSubmit={event => {
        event.preventDefault()
        save.mutate(new FormData(event.currentTarget))
      }}
    >
      <label>
        {m.name}
        <input name="name" required maxLength={100} defaultValue={child.name} autoFocus />
      </label>
      <label>
        {m.birthDate}
        <input
          name="birthDate"
          type="date"
          required
          defaultValue={child.birthDate}
          max={new Date().toISOString().slice(0, 10)}
        />
      </label>
      <button type="submit" disabled={save.isPending}>
        {m.save}
      </button>
      <button type="button" onClick={close}>
        {m.cancel}
      </button>
      <FormError error={save.error} />
    </form>
  )
}

function FaceRecognition() {
  const { m, locale } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const members = useMembers()
  const answer = useMutation({
    mutationFn: (consent: boolean) =>
      api('PATCH', `/families/${family.id}`, { faceRecognition: { consent, textVersion: consentTextVersion } }),
    onSettled: () => client.invalidateQueries(),
  })
  const { consent, by, at } = family.faceRecognition
  const when = at ? new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(at)) : ''
  const who = members.data?.items.find(member => member.id === by)?.name
  return (
    <section>
      <h2>{m.faceRecognition}</h2>
      {consent ? (
        <>
          <p>{who ? m.consentGiven(who, when) : m.consentGivenPlain(when)}</p>
          <button
            type="button"
            disabled={answer.isPending}
            onClick={() => {
              if (window.confirm(m.consentWithdrawSure)) answer.mutate(false)
            }}
          >
            {m.consentWithdraw}
          </button>
        </>
      ) : (
        <>
          <p>{m.consentNotGiven}</p>
          <ConsentQuestion busy={answer.isPending} onAnswer={yes => answer.mutate(yes)} />
        </>
      )}
      <FormError error={answer.error} />
      {consent && <UnknownFaces />}
    </section>
  )
}

/** Days to choose from; what a family set elsewhere is shown beside them. */
const usualDays = [7, 14, 30, 60, 90, 180, 365]

/** How long faces of people whom nobody named stay. */
function UnknownFaces() {
  const { m } = useLanguage()
  const family = useFamily()
  const save = useFamilyChange()
  const choices = [...new Set([...usualDays, family.unknownFacesDays])].sort((a, b) => a - b)
  return (
    <>
      <label>
        {m.unknownFacesDays}
        <select
          value={family.unknownFacesDays}
          disabled={save.isPending}
          onChange={event => save.mutate({ unknownFacesDays: Number(event.target.value) })}
        >
          {choices.map(days => (
            <option key={days} value={days}>
              {m.days(days)}
            </option>
          ))}
        </select>
      </label>
      <p className="muted">{m.unknownFacesText}</p>
      <FormError error={save.error} />
    </>
  )
}

function Members() {
  const { m } = useLanguage()
  const family = useFamily()
  const members = useMembers()
  const client = useQueryClient()
  const [role, setRole] = useState<Member['role']>('relative')
  const remove = useMutation({
    mutationFn: (member: Member) => api('DELETE', `/families/${family.id}/members/${member.id}`),
    // Who left has no family any more, or another one: everything is asked for anew.
    onSuccess: (_, member) => (member.me ? client.resetQueries() : client.invalidateQueries()),
  })
  const invite = useMutation({
    mutationFn: () => api<{ code: string }>('POST', `/families/${family.id}/invitations`, { role }),
  })
  return (
    <section>
      <h2>{m.members}</h2>
      {family.role === 'parent' && <FamilyName />}
      <ul className="names">
        {members.data?.items.map(member => (
          <li key={member.id}>
            {member.name} <small>{member.role === 'parent' ? m.parent : m.relative}</small>
            {(member.me || family.role === 'parent') && (
              <button
                type="button"
                className="inline"
                disabled={remove.isPending}
                aria-label={member.me ? m.leave : m.removeMember(member.name)}
                onClick={() => {
                  if (window.confirm(member.me ? m.leaveSure : m.removeMemberSure(member.name))) remove.mutate(member)
                }}
              >
                {member.me ? m.leave : m.remove}
              </button>
            )}
          </li>
        ))}
      </ul>
      {family.role === 'parent' && (
        <div className="row">
          <select aria-label={m.members} value={role} onChange={event => setRole(event.target.value as Member['role'])}>
            <option value="relative">{m.relative}</option>
            <option value="parent">{m.parent}</option>
          </select>
          <button type="button" disabled={invite.isPending} onClick={() => invite.mutate()}>
            {m.invite}
          </button>
        </div>
      )}
      {invite.data && (
        <p>
          {m.inviteLink}
          <br />
          <code>{`${location.origin}/join/${invite.data.code}`}</code>
        </p>
      )}
      <FormError error={invite.error ?? remove.error} />
    </section>
  )
}

/** Receipts of what was erased: what, when, and whether everybody has reported. Hidden while there is none. */
function Erasures() {
  const { m, locale } = useLanguage()
  const family = useFamily()
  const erasures = useQuery({
    queryKey: ['erasures', family.id],
    queryFn: () => api<List<Erasure>>('GET', `/families/${family.id}/erasures?limit=20`),
    refetchInterval: query => (query.state.data?.items.some(erasure => !erasure.complete) ? 3000 : false),
  })
  if (!erasures.data?.items.length) return null
  const when = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  return (
    <section>
      <h2>{m.erasures}</h2>
      <p>{m.erasuresText}</p>
      <ul className="names">
        {erasures.data.items.map(({ id, kind, ids, startedAt, complete, owners }) => (
          <li key={id}>
            {m.erased(kind, ids.length)} <time dateTime={startedAt}>{when.format(new Date(startedAt))}</time>{' '}
            <small>
              {complete
                ? m.erasureComplete
                : m.erasurePending(owners.filter(owner => owner.doneAt !== undefined).length, owners.length)}
            </small>
          </li>
        ))}
      </ul>
    </section>
  )
}
