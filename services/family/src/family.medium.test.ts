import { randomUUID } from 'node:crypto'
import { FamilyServiceService, type Tokens } from '@keepsake/proto/family/v1'
import {
  createClient,
  generateIdentityKeys,
  identityEnv,
  ServiceIdentity,
  type Client,
  type RunningService,
} from '@keepsake/rpc'
import { ErasureOverdue, reportErasure } from '@keepsake/events'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { attemptLimits } from './attempts.js'
import { askOverdue, getErasure, recordErasure, recordReport } from './erasures.js'
import { startFamily } from './service.js'
import { AccessTokens } from './access-token.js'

const keys = generateIdentityKeys(['family', 'gateway', 'operator', 'album'])
const identityOf = (name: string) => ServiceIdentity.fromEnv(name, identityEnv(keys, name))
const deadlineMs = 20_000
const password = 'correct horse battery'

let database: TestDatabase
let service: RunningService
let family: Client<typeof FamilyServiceService>
let count = 0

const start = (extra: Record<string, string> = {}) =>
  startFamily({
    ...identityEnv(keys, 'family'),
    KEEPSAKE_DATABASE_URL: database.url('family'),
    KEEPSAKE_LOG_LEVEL: 'warn',
    KEEPSAKE_PLAN_SETTABLE: 'true',
    ...extra,
  })

beforeAll(async () => {
  database = await testDatabase(['family'])
  service = await start()
  family = createClient(FamilyServiceService, service.address, identityOf('gateway'))
})
afterAll(async () => {
  family.close()
  await service.close()
  await database.close()
})

interface Person {
  email: string
  accountId: string
  tokens: Tokens
}

async function person(): Promise<Person> {
  const email = `person${++count}@example.org`
  const { account, tokens } = await family.createAccount({ email, password, name: `Person ${count}` }, { deadlineMs })
  return { email, accountId: account?.id ?? '', tokens: tokens as Tokens }
}

/** Options of a call on behalf of a person, in a family where one is given. */
async function as(who: Person, familyId?: string) {
  const { identity } = await family.authenticate({ token: who.tokens.accessToken, familyId }, { deadlineMs })
  return { identity, deadlineMs }
}

const settings = { name: 'Sato', timeZone: 'Asia/Tokyo', locale: 'ja' }
const found = async (who: Person) => (await family.createFamily(settings, await as(who))).family?.id ?? ''

async function join(parent: Person, familyId: string, role = 'relative'): Promise<Person & { memberId: string }> {
  const guest = await person()
  const { code } = await family.createInvitation({ role }, await as(parent, familyId))
  const { memberId } = await family.acceptInvitation({ code }, await as(guest))
  return { ...guest, memberId }
}

const changes = async (familyId: string) => {
  const rows = await database.rows<{ payload: Buffer }>(
    `select payload from events.outbox where topic = 'family.changed' and family_id = $1 order by position`,
    [familyId],
  )
  const { FamilyChanged } = await import('@keepsake/proto/events/v1')
  return rows.map(row => FamilyChanged.decode(row.payload).what)
}

describe('an account', () => {
  test('is made once per address, however it is written', async () => {
    const who = await person()
    await expect(
      family.createAccount({ email: ` ${who.email.toUpperCase()} `, password, name: 'X' }, { deadlineMs }),
    ).rejects.toMatchObject({ code: 'ALREADY_EXISTS', reason: 'EMAIL_TAKEN' })
  })

  test.each([
    ['no address', 'EMAIL_INVALID', { email: 'nobody', password, name: 'X' }],
    ['a short password', 'PASSWORD_WEAK', { email: 'a1@example.org', password: 'short', name: 'X' }],
    ['the address as password', 'PASSWORD_WEAK', { email: 'a2@example.org', password: 'A2@example.org', name: 'X' }],
    ['no name', 'INVALID_VALUE', { email: 'a3@example.org', password, name: ' ' }],
  ])('with %s is refused', async (_, reason, request) => {
    await expect(family.createAccount(request, { deadlineMs })).rejects.toMatchObject({ reason })
  })

  test('keeps its password as an argon2id hash only', async () => {
    const { email } = await person()
    const [row] = await database.rows<{ h: string }>(
      'select password_hash as h from family.accounts where email = $1',
      [email],
    )
    expect(row?.h).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })
})

const signIn = (email: string, given: string, remoteAddress = '') =>
  family.createSession({ email, password: given, remoteAddress }, { deadlineMs })

describe('a password', () => {
  const next = 'another battery staple'
  const change = async (who: Awaited<ReturnType<typeof person>>, currentPassword: string, newPassword = next) =>
    family.changePassword({ currentPassword, newPassword }, await as(who))

  test('is changed by who knows it; every sign-in ends but the one that is answered', async () => {
    const who = await person()
    const elsewhere = await signIn(who.email, password)
    const { tokens } = await change(who, password)
    for (const token of [who.tokens.accessToken, elsewhere.tokens?.accessToken ?? ''])
      await expect(family.authenticate({ token }, { deadlineMs })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await family.authenticate({ token: tokens?.accessToken ?? '' }, { deadlineMs })).toMatchObject({
      accountId: who.accountId,
    })
    await expect(signIn(who.email, password)).rejects.toMatchObject({ reason: 'WRONG_CREDENTIALS' })
    expect((await signIn(who.email, next)).account?.id).toBe(who.accountId)
  })

  test('stays where the present one is not right, or the new one is weak', async () => {
    const who = await person()
    await expect(change(who, 'a guess')).rejects.toMatchObject({
      reason: 'PASSWORD_WRONG',
      details: { field: 'currentPassword' },
    })
    await expect(change(who, password, 'short')).rejects.toMatchObject({ reason: 'PASSWORD_WEAK' })
    expect((await signIn(who.email, password)).account?.id).toBe(who.accountId)
  })

  test('is changed by one of two who know it at the same moment; the other one’s word comes too late', async () => {
    const who = await person()
    const words = ['the first of two', 'the second of two']
    const outcomes = await Promise.allSettled(words.map(word => change(who, password, word)))
    const won = outcomes.findIndex(outcome => outcome.status === 'fulfilled')
    expect(outcomes[1 - won]).toMatchObject({ status: 'rejected', reason: { reason: 'WRONG_CREDENTIALS' } })
    expect((await signIn(who.email, words[won]!)).account?.id).toBe(who.accountId)
  })

  test('is not to be guessed on a device that was left open', async () => {
    const who = await person()
    for (let i = 0; i < attemptLimits.email; i++) await change(who, `guess ${i}`).catch(() => undefined)
    await expect(change(who, password)).rejects.toMatchObject({ reason: 'TOO_MANY_ATTEMPTS' })
  })
})

describe('a session', () => {
  test('opens with the right password; a wrong one and an unknown address are told alike', async () => {
    const who = await person()
    expect((await signIn(who.email, password)).account?.id).toBe(who.accountId)
    const wrong = await signIn(who.email, 'not the password').catch((e: unknown) => e as Error)
    const unknown = await signIn('nobody@example.org', password).catch((e: unknown) => e as Error)
    expect(wrong).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'WRONG_CREDENTIALS' })
    expect({ ...unknown, message: (unknown as Error).message }).toEqual({ ...wrong, message: (wrong as Error).message })
  })

  test('is not to be had by guessing: after too many failures even the right password waits', async () => {
    const who = await person()
    for (let i = 0; i < attemptLimits.email; i++) await signIn(who.email, `guess ${i}`).catch(() => undefined)
    await expect(signIn(who.email, password)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'TOO_MANY_ATTEMPTS',
      details: { retryAfterSeconds: expect.stringMatching(/^\d+$/) as string },
    })
  })

  test('is not to be had by guessing many at once either', async () => {
    const who = await person()
    const outcomes = await Promise.all(
      Array.from({ length: attemptLimits.email + 6 }, (_, i) =>
        signIn(who.email, `guess ${i}`).then(
          () => 'in',
          (e: unknown) => (e as { reason: string }).reason,
        ),
      ),
    )
    expect(outcomes.filter(o => o === 'WRONG_CREDENTIALS')).toHaveLength(attemptLimits.email)
    expect(outcomes.filter(o => o === 'TOO_MANY_ATTEMPTS')).toHaveLength(6)
  })

  test('that opens costs its remote address nothing', async () => {
    const who = await person()
    const remote = '2001:db8:1:2::/64'
    for (let i = 0; i < 3; i++) await signIn(who.email, password, remote)
    const rows = await database.rows<{ failures: number }>(
      'select failures from family.sign_in_failures where key = $1',
      [`remote:${remote}`],
    )
    expect(rows).toEqual([{ failures: 0 }])
  })

  test('gives a new pair for each refresh token, once; a second use stops the whole chain at once', async () => {
    const { tokens } = await person()
    const first = await family.refreshSession({ refreshToken: tokens.refreshToken }, { deadlineMs })
    const second = await family.refreshSession({ refreshToken: first.tokens?.refreshToken ?? '' }, { deadlineMs })
    const token = second.tokens?.accessToken ?? ''
    await family.authenticate({ token }, { deadlineMs })
    await expect(family.refreshSession({ refreshToken: tokens.refreshToken }, { deadlineMs })).rejects.toMatchObject({
      reason: 'REFRESH_REUSED',
    })
    await expect(family.authenticate({ token }, { deadlineMs })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(
      family.refreshSession({ refreshToken: second.tokens?.refreshToken ?? '' }, { deadlineMs }),
    ).rejects.toMatchObject({ reason: 'TOKEN_INVALID' })
  })

  test('that is refreshed twice at the same moment is used once and then closed', async () => {
    const { tokens } = await person()
    const outcomes = await Promise.allSettled(
      [1, 2].map(() => family.refreshSession({ refreshToken: tokens.refreshToken }, { deadlineMs })),
    )
    expect(outcomes.map(o => o.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('ends at once when it is signed out', async () => {
    const { tokens } = await person()
    await family.deleteSession({ accessToken: tokens.accessToken }, { deadlineMs })
    await expect(family.authenticate({ token: tokens.accessToken }, { deadlineMs })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
    await expect(family.refreshSession({ refreshToken: tokens.refreshToken }, { deadlineMs })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })

  test('goes on for a request that began before its token ran out, until it is signed out', async () => {
    const who = await person()
    const [session] = await database.rows<{ session_id: string }>(
      'select session_id from family.sessions where account_id = $1',
      [who.accountId],
    )
    const before = (minutes: number) => new Date(Date.now() - minutes * 60_000)
    const access = AccessTokens.fromEnv(identityEnv(keys, 'family'), 15)
    const { token } = await access.sign(session?.session_id ?? '', who.accountId, before(60))
    const expired = { reason: 'TOKEN_EXPIRED' }
    await expect(family.authenticate({ token }, { deadlineMs })).rejects.toMatchObject(expired)
    const going = { token, beganAt: before(59) }
    expect(await family.authenticate(going, { deadlineMs })).toMatchObject({ accountId: who.accountId })
    // It began too late, or goes on for days.
    const old = await access.sign(session?.session_id ?? '', who.accountId, before(3000))
    for (const request of [
      { token, beganAt: before(30) },
      { token: old.token, beganAt: before(2999) },
    ])
      await expect(family.authenticate(request, { deadlineMs })).rejects.toMatchObject(expired)
    await family.deleteSession({ accessToken: who.tokens.accessToken }, { deadlineMs })
    await expect(family.authenticate(going, { deadlineMs })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('is not to be had with a token of another key or of another kind', async () => {
    const forged = await identityOf('family').forPerson({ kind: 'account', accountId: 'x' })
    for (const token of [forged, 'rubbish', '', 'a.b.c'])
      await expect(family.authenticate({ token }, { deadlineMs })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('an API key', () => {
  test('stands for its account with its scopes, until it is removed', async () => {
    const who = await person()
    const made = await family.createApiKey({ name: 'nas', scopes: ['read'] }, await as(who))
    const known = await family.authenticate({ token: made.secret }, { deadlineMs })
    expect(known).toMatchObject({ accountId: who.accountId, scopes: ['read'] })
    const { apiKeys } = await family.listApiKeys({}, await as(who))
    expect(JSON.stringify(apiKeys)).not.toContain(made.secret)
    const other = await person()
    const id = made.apiKey?.id ?? ''
    await expect(family.deleteApiKey({ id }, await as(other))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await family.deleteApiKey({ id }, await as(who))
    await expect(family.authenticate({ token: made.secret }, { deadlineMs })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })
})

describe('consent', () => {
  test('is decided by a person who signed in, never by a key: neither given nor withdrawn, nor with a new family', async () => {
    const who = await person()
    const id = await found(who)
    const { secret } = await family.createApiKey({ name: 'nas', scopes: ['admin'] }, await as(who))
    const byKey = async (familyId?: string) => {
      const { identity } = await family.authenticate(
        { token: secret, ...(familyId !== undefined && { familyId }) },
        { deadlineMs },
      )
      return { identity, deadlineMs }
    }
    const refused = { code: 'PERMISSION_DENIED', reason: 'SESSION_REQUIRED' }
    const yes = { faceRecognitionConsent: true, consentTextVersion: '1' }
    await expect(family.updateFamily(yes, await byKey(id))).rejects.toMatchObject(refused)
    await expect(family.createFamily({ ...settings, ...yes }, await byKey())).rejects.toMatchObject(refused)
    await family.updateFamily(yes, await as(who, id))
    await expect(family.updateFamily({ faceRecognitionConsent: false }, await byKey(id))).rejects.toMatchObject(refused)
    // The key may do the rest: what it may not is decide.
    const { family: renamed } = await family.updateFamily({ name: 'Renamed' }, await byKey(id))
    expect(renamed).toMatchObject({ name: 'Renamed', faceRecognition: { given: true } })
  })
})

describe('a family', () => {
  test('is its founder’s, with nobody’s consent until somebody gives it', async () => {
    const who = await person()
    const id = await found(who)
    const { family: made } = await family.getFamily({}, await as(who, id))
    expect(made).toMatchObject({ ...settings, plan: 'premium', role: 'parent', faceRecognition: { given: false } })
    expect((await family.listFamilies({}, await as(who))).families.map(f => f.id)).toEqual([id])
    expect(await changes(id)).toEqual(['created'])
  })

  test('does not exist for anybody else', async () => {
    const id = await found(await person())
    await expect(as(await person(), id)).rejects.toMatchObject({ code: 'NOT_FOUND', reason: 'FAMILY_NOT_FOUND' })
    await expect(as(await person(), 'no-uuid')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('records who consented when to which text, and says so when consent comes and goes', async () => {
    const who = await person()
    const id = await found(who)
    const me = await as(who, id)
    await expect(family.updateFamily({ faceRecognitionConsent: true }, me)).rejects.toMatchObject({
      reason: 'CONSENT_TEXT_REQUIRED',
    })
    const given = await family.updateFamily({ faceRecognitionConsent: true, consentTextVersion: '2026-11' }, me)
    expect(given.family?.faceRecognition).toMatchObject({ given: true, textVersion: '2026-11' })
    expect(given.family?.faceRecognition?.at).toBeInstanceOf(Date)
    await family.updateFamily({ faceRecognitionConsent: true, consentTextVersion: '2026-12' }, me)
    const withdrawn = await family.updateFamily({ faceRecognitionConsent: false }, me)
    expect(withdrawn.family?.faceRecognition?.given).toBe(false)
    expect(await changes(id)).toEqual(['created', 'consent', 'consent'])
    const rows = await database.rows('select given from family.consents where family_id = $1', [id])
    expect(rows).toHaveLength(3)
  })

  test('changes its settings for parents only, and refuses what is no time zone', async () => {
    const parent = await person()
    const id = await found(parent)
    const relative = await join(parent, id)
    await expect(family.updateFamily({ name: 'X' }, await as(relative, id))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    const me = await as(parent, id)
    await expect(family.updateFamily({ timeZone: 'Mars/Olympus' }, me)).rejects.toMatchObject({
      reason: 'INVALID_VALUE',
    })
    const { family: after } = await family.updateFamily({ name: 'Satō', timeZone: 'Europe/Berlin' }, me)
    expect(after).toMatchObject({ name: 'Satō', timeZone: 'Europe/Berlin', locale: 'ja', unknownFacesDays: 90 })
    for (const unknownFacesDays of [6, 366])
      await expect(family.updateFamily({ unknownFacesDays }, me)).rejects.toMatchObject({ reason: 'INVALID_VALUE' })
    const { family: shorter } = await family.updateFamily({ unknownFacesDays: 14 }, me)
    expect(shorter).toMatchObject({ name: 'Satō', unknownFacesDays: 14, version: (after?.version ?? 0) + 1 })
  })

  test('has the plan that a parent sets, where the operator allows it', async () => {
    const who = await person()
    const id = await found(who)
    expect((await family.setPlan({ plan: 'free' }, await as(who, id))).family?.plan).toBe('free')
    const strict = await start({ KEEPSAKE_PLAN_SETTABLE: 'false' })
    const toStrict = createClient(FamilyServiceService, strict.address, identityOf('gateway'))
    await expect(toStrict.setPlan({ plan: 'premium' }, await as(who, id))).rejects.toMatchObject({
      reason: 'PLAN_BY_ORDER',
    })
    toStrict.close()
    await strict.close()
  })

  test('that is deleted is gone for everyone, and leaves nothing but a tombstone', async () => {
    const who = await person()
    const id = await found(who)
    const me = await as(who, id)
    await family.createChild({ name: 'Hana', birthDate: '2020-05-17' }, { ...me, idempotencyKey: 'k' })
    await family.deleteFamily({}, me)
    await expect(as(who, id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(family.getFamily({}, me)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await changes(id)).at(-1)).toBe('removed')
    const [row] = await database.rows<{ text: string }>(
      `select (select string_agg(t::text, ' ') from family.families t where family_id = $1)
        || coalesce((select string_agg(c::text, ' ') from family.children c where family_id = $1), '') as text`,
      [id],
    )
    expect(row?.text).not.toContain('Sato')
    expect(row?.text).not.toContain('Hana')
  })
})

describe('receipts of erasures', () => {
  test.each(['the receipt', 'another report'])(
    'are complete when the last report and %s are written at the same moment',
    async beside => {
      const familyId = await found(await person())
      const db = database.db('family')
      const erasureId = randomUUID()
      const erasure = { erasureId, kind: 'face', ids: [], mediaIds: [] }
      const one = { rows: 1 }
      await db.family(familyId, async tx => {
        if (beside !== 'the receipt') await recordErasure(tx, erasure)
        for (const owner of ['album', 'cluster', 'rating']) await recordReport(tx, erasureId, owner, one)
      })
      let commit: () => void = () => undefined
      const open = new Promise<void>(resolve => (commit = resolve))
      let written = false
      const last = db.family(familyId, async tx => {
        await recordReport(tx, erasureId, 'face', one)
        written = true
        await open
      })
      await until(() => written)
      let over = false
      const other = db
        .family(familyId, async tx => {
          if (beside === 'the receipt') await recordErasure(tx, erasure)
          await recordReport(tx, erasureId, 'backups', one)
        })
        .then(() => (over = true))
      // It waits for the other, or is through without having seen it.
      const waits = async () =>
        (await database.rows(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length > 0
      await until(async () => over || (await waits()))
      commit()
      await Promise.all([last, other])
      const receipt = await db.family(familyId, tx => getErasure(tx, erasureId))
      expect(receipt.completedAt).toBeDefined()
    },
  )

  const report = (familyId: string, erasureId: string, kind: 'consent', owner: string) =>
    database.db('family').family(familyId, tx => reportErasure(tx, erasureId, kind, owner, { rows: 2, objects: 1 }))
  const open = { cursor: '', limit: 10 }

  test('a withdrawal of consent is complete when every owner has reported, in whatever order, once each', async () => {
    const who = await person()
    const familyId = await found(who)
    const me = await as(who, familyId)
    await family.updateFamily({ faceRecognitionConsent: true, consentTextVersion: '1' }, me)
    const { erasureId = '' } = await family.updateFamily({ faceRecognitionConsent: false }, me)
    const receipt = async () => (await family.getErasure({ id: erasureId }, me)).erasure
    expect(await receipt()).toMatchObject({ kind: 'consent', completedAt: undefined })
    for (const owner of ['rating', 'face', 'album']) await report(familyId, erasureId, 'consent', owner)
    await until(async () => (await receipt())?.owners.filter(owner => owner.doneAt !== undefined).length === 4, {
      deadlineMs: 20_000,
    })
    expect((await receipt())?.completedAt).toBeUndefined()
    // Cluster is late: it is asked again, alone.
    expect(await askOverdue(database.db('family'), 0)).toBeGreaterThanOrEqual(1)
    const reminders = () =>
      database.rows<{ payload: Buffer }>(
        `select payload from events.outbox where topic = 'erasure.overdue' and family_id = $1`,
        [familyId],
      )
    const asked = await reminders()
    expect(ErasureOverdue.codec.decode(asked[0]?.payload ?? Buffer.alloc(0)).owners).toEqual(['cluster'])
    await report(familyId, erasureId, 'consent', 'cluster')
    await until(async () => (await receipt())?.completedAt !== undefined, { deadlineMs: 20_000 })
    expect((await receipt())?.owners.find(owner => owner.name === 'face')).toMatchObject({ rows: 2, objects: 1 })
    await askOverdue(database.db('family'), 0) // other tests leave erasures that nobody reports
    expect(await reminders()).toHaveLength(asked.length)
    expect((await family.listErasures(open, me)).erasures.map(each => each.id)).toEqual([erasureId])
  })

  test('are for parents; whoever removed the family reads hers as an account', async () => {
    const who = await person()
    const familyId = await found(who)
    const guest = await join(who, familyId)
    await expect(family.listErasures(open, await as(guest, familyId))).rejects.toMatchObject({
      reason: 'PARENT_REQUIRED',
    })
    const { erasureId } = await family.deleteFamily({}, await as(who, familyId))
    expect((await family.getErasure({ id: erasureId }, await as(who))).erasure).toMatchObject({ kind: 'family' })
    await expect(family.getErasure({ id: erasureId }, await as(guest))).rejects.toMatchObject({
      reason: 'ERASURE_NOT_FOUND',
    })
  })
})

describe('members', () => {
  test('come by an invitation that works once', async () => {
    const parent = await person()
    const id = await found(parent)
    const { code } = await family.createInvitation({ role: 'relative' }, await as(parent, id))
    const guest = await person()
    const joined = await family.acceptInvitation({ code }, await as(guest))
    expect(joined.family).toMatchObject({ id, role: 'relative' })
    await expect(family.acceptInvitation({ code }, await as(await person()))).rejects.toMatchObject({
      reason: 'INVITATION_NOT_FOUND',
    })
    const asGuest = await as(guest, id)
    const { members } = await family.listMembers({}, asGuest)
    expect(members.map(m => [m.role, m.email])).toEqual([
      ['parent', ''],
      ['relative', ''],
    ])
    await expect(family.createInvitation({ role: 'parent' }, asGuest)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
  })

  test('who were removed are out at once; the last parent stays', async () => {
    const parent = await person()
    const id = await found(parent)
    const guest = await join(parent, id)
    const me = await as(parent, id)
    const own = (await family.listMembers({}, me)).members[0]?.id ?? ''
    await expect(family.deleteMember({ id: own }, me)).rejects.toMatchObject({ reason: 'LAST_PARENT' })
    await expect(family.updateMember({ id: own, role: 'relative' }, me)).rejects.toMatchObject({
      reason: 'LAST_PARENT',
    })
    await family.deleteMember({ id: guest.memberId }, me)
    await expect(as(guest, id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('cannot raise themselves to parents', async () => {
    const parent = await person()
    const id = await found(parent)
    const guest = await join(parent, id)
    const asGuest = await as(guest, id)
    await expect(family.updateMember({ id: guest.memberId, role: 'parent' }, asGuest)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    const renamed = await family.updateMember({ id: guest.memberId, name: 'Oma' }, asGuest)
    expect(renamed.member?.name).toBe('Oma')
  })

  test('are grouped, and their identity names the groups', async () => {
    const parent = await person()
    const id = await found(parent)
    const guest = await join(parent, id)
    const me = await as(parent, id)
    const { group } = await family.createGroup({ name: 'Mother’s side', memberIds: [guest.memberId] }, me)
    await expect(family.createGroup({ name: 'Mother’s side', memberIds: [] }, me)).rejects.toMatchObject({
      reason: 'GROUP_EXISTS',
    })
    const caller = await identityOf('album').verify((await as(guest, id)).identity)
    expect(caller).toMatchObject({ kind: 'member', role: 'relative', groupIds: [group?.id] })
    const emptied = await family.updateGroup({ id: group?.id ?? '', memberIds: [], replaceMembers: true }, me)
    expect(emptied.group?.memberIds).toEqual([])
    await family.deleteGroup({ id: group?.id ?? '' }, me)
    expect((await family.listGroups({}, me)).groups).toEqual([])
  })
})

describe('children', () => {
  test('are registered, corrected and listed eldest first', async () => {
    const parent = await person()
    const id = await found(parent)
    const me = await as(parent, id)
    await family.createChild({ name: 'Yui', birthDate: '2023-02-01' }, me)
    const { child } = await family.createChild({ name: 'Hana', birthDate: '2020-05-17' }, me)
    for (const birthDate of ['2023-02-30', '17.5.2020', '1800-01-01', '2999-01-01'])
      await expect(family.createChild({ name: 'X', birthDate }, me)).rejects.toMatchObject({ reason: 'INVALID_VALUE' })
    await family.updateChild({ id: child?.id ?? '', birthDate: '2020-05-18' }, me)
    const { children } = await family.listChildren({}, me)
    expect(children.map(c => [c.name, c.birthDate])).toEqual([
      ['Hana', '2020-05-18'],
      ['Yui', '2023-02-01'],
    ])
  })

  test('are made once per Idempotency-Key, also when two calls come at once', async () => {
    const parent = await person()
    const id = await found(parent)
    const me = { ...(await as(parent, id)), idempotencyKey: 'one' }
    const request = { name: 'Hana', birthDate: '2020-05-17' }
    const answers = await Promise.all([1, 2, 3].map(() => family.createChild(request, me)))
    expect(new Set(answers.map(a => a.child?.id)).size).toBe(1)
    expect((await family.listChildren({}, me)).children).toHaveLength(1)
    await expect(family.createChild({ ...request, name: 'Yui' }, me)).rejects.toMatchObject({
      reason: 'IDEMPOTENCY_KEY_REUSED',
    })
  })
})

describe('a repeated call', () => {
  test('makes an account once and answers the same; another request under its key is refused', async () => {
    const request = { email: `person${++count}@example.org`, password, name: 'Once' }
    const options = { deadlineMs, idempotencyKey: 'sign-up' }
    const [first, again] = [await family.createAccount(request, options), await family.createAccount(request, options)]
    expect(again).toEqual(first)
    await expect(family.createAccount({ ...request, name: 'Twice' }, options)).rejects.toMatchObject({
      reason: 'IDEMPOTENCY_KEY_REUSED',
    })
  })

  test('gets the same secret, which nobody finds in the database', async () => {
    const parent = await person()
    const id = await found(parent)
    const idempotencyKey = 'secret-of-ours'
    const inFamily = { ...(await as(parent, id)), idempotencyKey }
    const { code } = await family.createInvitation({ role: 'relative' }, inFamily)
    expect((await family.createInvitation({ role: 'relative' }, inFamily)).code).toBe(code)
    const asAccount = { ...(await as(parent)), idempotencyKey }
    const request = { name: 'Frame', scopes: ['read'] }
    const { secret } = await family.createApiKey(request, asAccount)
    expect((await family.createApiKey(request, asAccount)).secret).toBe(secret)
    const rows = await database.rows<{ key: string; response: Buffer }>('select key, response from family.idempotency')
    expect(rows.length).toBeGreaterThan(1)
    for (const { key, response } of rows) {
      expect(key).not.toContain(idempotencyKey)
      for (const clear of [code, secret, 'Frame', 'example.org']) expect(response.includes(clear)).toBe(false)
    }
  })
})

describe('bootstrap', () => {
  let fresh: TestDatabase
  let local: RunningService
  let operator: Client<typeof FamilyServiceService>
  const request = {
    email: 'owner@example.org',
    password,
    newPassword: false,
    familyName: 'Our family',
    timeZone: 'Europe/Berlin',
    locale: 'en',
  }

  beforeEach(async () => {
    fresh = await testDatabase(['family'])
    local = await start({ KEEPSAKE_DATABASE_URL: fresh.url('family') })
    operator = createClient(FamilyServiceService, local.address, identityOf('operator'))
    return async () => {
      operator.close()
      await local.close()
      await fresh.close()
    }
  })

  test('makes owner and family once, then finds them, with or without an address', async () => {
    const nothing = await operator.bootstrap({ ...request, email: '', password: '' }, { deadlineMs })
    expect(nothing).toMatchObject({ accountCreated: false, familyCreated: false })
    const first = await operator.bootstrap(request, { deadlineMs })
    expect(first).toMatchObject({ accountCreated: true, familyCreated: true, family: { plan: 'premium' } })
    const again = await operator.bootstrap({ ...request, email: '', password: '', plan: 'free' }, { deadlineMs })
    expect(again).toMatchObject({
      accountCreated: false,
      familyCreated: false,
      family: { id: first.family?.id, plan: 'free' },
      account: { email: request.email },
    })
  })

  test('refuses a wrong password, and anyone but the operator', async () => {
    await operator.bootstrap(request, { deadlineMs })
    await expect(operator.bootstrap({ ...request, password: 'wrong one' }, { deadlineMs })).rejects.toMatchObject({
      reason: 'WRONG_CREDENTIALS',
    })
    await expect(family.bootstrap(request, { deadlineMs })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  })

  test('gives the owner a new password where that is asked for; whoever was signed in has to sign in again', async () => {
    const first = await operator.bootstrap(request, { deadlineMs })
    const renewed = { ...request, password: 'another battery staple', newPassword: true }
    await expect(operator.bootstrap({ ...renewed, password: 'short' }, { deadlineMs })).rejects.toMatchObject({
      reason: 'PASSWORD_WEAK',
    })
    await expect(operator.bootstrap({ ...renewed, email: 'ovner@example.org' }, { deadlineMs })).rejects.toMatchObject({
      reason: 'OWNER_NOT_FOUND',
    })
    expect(await operator.bootstrap(renewed, { deadlineMs })).toMatchObject({
      accountCreated: false,
      account: { id: first.account?.id },
    })
    await expect(operator.bootstrap(request, { deadlineMs })).rejects.toMatchObject({ reason: 'WRONG_CREDENTIALS' })
    await expect(
      operator.refreshSession({ refreshToken: first.tokens?.refreshToken ?? '' }, { deadlineMs }),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})
