import { sql, type Db } from '@keepsake/db'
import type { BootstrapRequest, BootstrapResponse } from '@keepsake/proto/family/v1'
import {
  accountByEmail,
  checkPassword,
  createAccount,
  normaliseEmail,
  prepareAccount,
  setPassword,
  type AccountRow,
} from './accounts.js'
import { errors } from './errors.js'
import { createFamily, listFamilies, setPlan } from './families.js'
import { hashPassword, passwordMatches } from './secrets.js'
import { openSession, type SessionRules } from './sessions.js'

/**
 * For the one-machine run: the owner and the family when there are none, otherwise what is there. With a password the
 * owner's is checked, or becomes the new one where that is asked for; without an address the first parent of the oldest family is the owner. Safe to repeat.
 */
export async function bootstrap(
  db: Db,
  rules: SessionRules,
  newId: () => string,
  request: BootstrapRequest,
  now: Date,
): Promise<BootstrapResponse> {
  const email = normaliseEmail(request.email) || (await firstOwner(db))
  const known = email === undefined ? undefined : await db.unscoped(undefined, tx => accountByEmail(tx, email))
  // A new password is for somebody who is there: a mistyped address makes no second owner.
  if (known === undefined && request.newPassword && (await firstOwner(db)) !== undefined) throw errors.ownerNotFound()
  if (known !== undefined && request.newPassword) await renew(db, known, request.password)
  else if (
    known !== undefined &&
    request.password !== '' &&
    !(await passwordMatches(known.passwordHash, request.password))
  )
    throw errors.wrongCredentials()
  if (known === undefined && request.password === '') return { accountCreated: false, familyCreated: false }
  const account =
    known !== undefined
      ? { id: known.accountId, email: known.email, name: known.name }
      : await create(db, email ?? '', request.password)

  const families = await db.system('families of the owner', tx => listFamilies(tx, account.id))
  let family = families[0]
  if (family === undefined) {
    const founder = { accountId: account.id, name: account.name, plan: request.plan ?? 'premium' }
    const settings = { name: request.familyName, timeZone: request.timeZone, locale: request.locale }
    family = await createFamily(db, founder, settings, newId())
  } else if (request.plan !== undefined && request.plan !== family.plan) {
    const { id, role } = family
    const { plan } = request
    family = await db.family(id, tx => setPlan(tx, plan, role))
  }
  return {
    account,
    family,
    accountCreated: known === undefined,
    familyCreated: families.length === 0,
    tokens: await db.unscoped(undefined, tx => openSession(tx, rules, account.id, now)),
  }
}

async function renew(db: Db, { accountId, email }: AccountRow, password: string): Promise<void> {
  checkPassword(email, password)
  const passwordHash = await hashPassword(password)
  await db.unscoped(undefined, tx => setPassword(tx, accountId, passwordHash))
}

async function create(db: Db, email: string, password: string) {
  // The owner of a machine gives no name; what stands before the @ can be changed later.
  const prepared = await prepareAccount(email, password, email.split('@')[0] || 'Owner')
  return db.unscoped(undefined, tx => createAccount(tx, prepared.email, prepared.passwordHash, prepared.name))
}

async function firstOwner(db: Db): Promise<string | undefined> {
  const row = await db.system('find the owner of this machine', tx =>
    tx.maybe<{ email: string }>(sql`
      select a.email from family.families f join family.members m using (family_id) join family.accounts a using (account_id)
      where f.removed_at is null and m.role = 'parent' order by f.created_at, m.created_at limit 1`),
  )
  return row?.email
}
