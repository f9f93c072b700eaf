import { sql, type Db, type FamilyTx, type Tx } from '@keepsake/db'
import { FamilyChanged, publish, reportErasure, type Resync } from '@keepsake/events'
import type { Consent, CreateFamilyRequest, Family, UpdateFamilyRequest } from '@keepsake/proto/family/v1'
import type { Caller } from '@keepsake/rpc'
import { checkName } from './accounts.js'
import { recordConsent } from './consent.js'
import { beginErasure } from './erasures.js'
import { errors } from './errors.js'

/** What of a family changed; other services read what they need. */
export type FamilyChange = 'created' | 'settings' | 'consent' | 'members' | 'groups' | 'children' | 'plan' | 'removed'

/** Grows the family's version and says what changed, in the transaction that changed it. */
export async function familyChanged(
  tx: FamilyTx,
  what: FamilyChange,
  erased: { erasureId?: string; memberId?: string } = {},
): Promise<number> {
  const row = await tx.maybe<{ version: number }>(sql`
    update family.families set version = version + 1 where family_id = ${tx.familyId} and removed_at is null
    returning version`)
  if (row === undefined) throw errors.familyNotFound()
  await publish(tx, FamilyChanged, { version: row.version, what, ...erased })
  return row.version
}

const locales: readonly string[] = ['en', 'ja']

/** Days for which faces of people whom nobody named may be kept: a week, so that there is time to name them, to a year. */
const UNKNOWN_FACES_DAYS = { least: 7, most: 365 }

function checkSettings(settings: {
  name?: string | undefined
  timeZone?: string | undefined
  locale?: string | undefined
  unknownFacesDays?: number | undefined
}) {
  if (settings.name !== undefined) checkName(settings.name, 'name')
  if (settings.locale !== undefined && !locales.includes(settings.locale))
    throw errors.invalid('locale', `A locale is ${locales.join(' or ')}.`)
  if (settings.timeZone !== undefined && !isTimeZone(settings.timeZone))
    throw errors.invalid('timeZone', 'A time zone is an IANA name such as Europe/Berlin.')
  const { unknownFacesDays: days } = settings
  const { least, most } = UNKNOWN_FACES_DAYS
  if (days !== undefined && !(Number.isInteger(days) && days >= least && days <= most))
    throw errors.invalid('unknownFacesDays', `Unknown faces are kept for ${least} to ${most} days.`)
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '' && !/^[+-]/.test(name)
  } catch {
    return false
  }
}

/** Who makes a family, and with which plan it starts. */
export interface Founder {
  readonly accountId: string
  readonly name: string
  readonly plan: string
}

/** Makes a family; the founder is its first parent. Everything, with the consent, in one transaction. */
export async function createFamily(
  db: Db,
  founder: Founder,
  request: CreateFamilyRequest,
  id: string,
): Promise<Family> {
  return db.family(id, tx => insertFamily(tx, founder, request))
}

/** The same inside a transaction of the new family's id. */
export async function insertFamily(tx: FamilyTx, founder: Founder, request: CreateFamilyRequest): Promise<Family> {
  const settings = { name: request.name, timeZone: request.timeZone || 'UTC', locale: request.locale || 'en' }
  checkSettings(settings)
  await tx.changed(sql`
    insert into family.families (family_id, name, plan, time_zone, locale)
    values (${tx.familyId}, ${settings.name.trim()}, ${founder.plan}, ${settings.timeZone}, ${settings.locale})`)
  const { memberId } = await tx.one<{ memberId: string }>(sql`
    insert into family.members (family_id, account_id, name, role)
    values (${tx.familyId}, ${founder.accountId}, ${founder.name}, 'parent') returning member_id`)
  if (request.faceRecognitionConsent !== undefined)
    await recordConsent(tx, memberId, request.faceRecognitionConsent, request.consentTextVersion)
  await publish(tx, FamilyChanged, { version: 1, what: 'created' })
  return readFamily(tx, 'parent')
}

interface FamilyRow {
  familyId: string
  name: string
  plan: string
  timeZone: string
  locale: string
  unknownFacesDays: number
  version: number
  role: string | null
  given: boolean | null
  memberId: string | null
  at: Date | null
  textVersion: string | null
}

const columns = sql`f.family_id, f.name, f.plan, f.time_zone, f.locale, f.unknown_faces_days, f.version, c.given, c.member_id, c.at, c.text_version`

const latestConsent = sql`left join lateral (
  select given, member_id, at, text_version from family.consents c
  where c.family_id = f.family_id and c.purpose = 'face_recognition' order by c.at desc, c.consent_id desc limit 1) c on true`

const shown = (row: FamilyRow): Family => ({
  id: row.familyId,
  name: row.name,
  plan: row.plan,
  timeZone: row.timeZone,
  locale: row.locale,
  unknownFacesDays: row.unknownFacesDays,
  role: row.role ?? '',
  version: row.version,
  faceRecognition: consentOf(row),
})

const consentOf = (row: FamilyRow): Consent =>
  row.given === null
    ? { given: false }
    : {
        given: row.given,
        byMemberId: row.memberId ?? undefined,
        at: row.at ?? undefined,
        textVersion: row.textVersion ?? undefined,
      }

/** The family as a member with `role` (or a service, with '') sees it. Throws FAMILY_NOT_FOUND. */
export async function readFamily(tx: FamilyTx, role: string): Promise<Family> {
  const row = await tx.maybe<FamilyRow>(sql`
    select ${columns}, ${role}::text as role from family.families f ${latestConsent}
    where f.family_id = ${tx.familyId} and f.removed_at is null`)
  if (row === undefined) throw errors.familyNotFound()
  return shown(row)
}

/** The role to show to a caller. */
export const roleOf = (caller: Caller): string => (caller.kind === 'member' ? caller.role : '')

/** The families of an account, oldest first. Crosses families: call it within Db.system. */
export async function listFamilies(tx: Tx, accountId: string): Promise<Family[]> {
  const rows = await tx.many<FamilyRow>(sql`
    select ${columns}, m.role from family.members m join family.families f using (family_id) ${latestConsent}
    where m.account_id = ${accountId} and f.removed_at is null order by f.created_at, f.family_id`)
  return rows.map(shown)
}

/** Changes settings and consent; each part is published as what it is, and only when it changed. Withdrawing consent begins an erasure. */
export async function updateFamily(
  tx: FamilyTx,
  memberId: string,
  request: UpdateFamilyRequest,
): Promise<{ family: Family; erasureId?: string }> {
  let erasureId: string | undefined
  checkSettings(request)
  const changed = await tx.changed(sql`
    update family.families set
      name = coalesce(${request.name?.trim()}, name),
      time_zone = coalesce(${request.timeZone}, time_zone),
      locale = coalesce(${request.locale}, locale),
      unknown_faces_days = coalesce(${request.unknownFacesDays}, unknown_faces_days)
    where family_id = ${tx.familyId} and removed_at is null
      and (name, time_zone, locale, unknown_faces_days) is distinct from
        (coalesce(${request.name?.trim()}, name), coalesce(${request.timeZone}, time_zone), coalesce(${request.locale}, locale),
         coalesce(${request.unknownFacesDays}, unknown_faces_days))`)
  if (changed > 0) await familyChanged(tx, 'settings')
  if (request.faceRecognitionConsent !== undefined) {
    const before = (await readFamily(tx, 'parent')).faceRecognition?.given ?? false
    await recordConsent(tx, memberId, request.faceRecognitionConsent, request.consentTextVersion)
    // A repeated yes under a newer text is recorded, but nobody has to act on it.
    if (before && !request.faceRecognitionConsent)
      erasureId = await beginErasure(tx, { kind: 'consent', byMemberId: memberId })
    if (before !== request.faceRecognitionConsent)
      await familyChanged(tx, 'consent', erasureId === undefined ? {} : { erasureId })
  }
  const family = await readFamily(tx, 'parent')
  return erasureId === undefined ? { family } : { family, erasureId }
}

/** Sets the plan. */
export async function setPlan(tx: FamilyTx, plan: string, role: string): Promise<Family> {
  if (plan !== 'free' && plan !== 'premium') throw errors.invalid('plan', 'A plan is free or premium.')
  const changed = await tx.changed(sql`
    update family.families set plan = ${plan}
    where family_id = ${tx.familyId} and removed_at is null and plan <> ${plan}`)
  if (changed > 0) await familyChanged(tx, 'plan')
  return readFamily(tx, role)
}

/**
 * Removes the family: it is gone for everybody at once, and every owner of derived data hears of it. A tombstone without
 * any content stays, so that a late event cannot bring it back.
 */
export async function deleteFamily(tx: FamilyTx, by: { memberId: string; accountId: string }): Promise<string> {
  const erasureId = await beginErasure(tx, { kind: 'family', byMemberId: by.memberId }, by.accountId)
  await familyChanged(tx, 'removed', { erasureId })
  await reportErasure(tx, erasureId, 'family', 'family', { rows: await forgetFamily(tx) })
  return erasureId
}

/** Removes all that this service keeps of the family but its tombstone and its receipts; says how many rows. Safe to repeat. */
export async function forgetFamily(tx: FamilyTx): Promise<number> {
  let rows = 0
  for (const table of [sql`group_members`, sql`groups`, sql`invitations`, sql`children`, sql`consents`, sql`members`])
    rows += await tx.changed(sql`delete from family.${table} where family_id = ${tx.familyId}`)
  rows += await tx.changed(sql`delete from family.idempotency where scope = ${tx.familyId}`)
  await tx.changed(sql`
    update family.families set removed_at = coalesce(removed_at, now()), name = '', time_zone = 'UTC', locale = 'en'
    where family_id = ${tx.familyId}`)
  return rows
}

/** How the present state of every family is published again: its version, or that it is removed. */
export const familyResync: Resync = {
  topic: FamilyChanged,
  families: async tx =>
    (await tx.many<{ familyId: string }>(sql`select family_id from family.families order by 1`)).map(f => f.familyId),
  publish: async tx => {
    const row = await tx.one<{ version: number; removedAt: Date | null }>(sql`
      select version, removed_at from family.families where family_id = ${tx.familyId}`)
    await publish(tx, FamilyChanged, { version: row.version, what: row.removedAt === null ? 'created' : 'removed' })
  },
}
