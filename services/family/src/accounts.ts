import { isUniqueViolation, sql, type Tx } from '@keepsake/db'
import type { Account } from '@keepsake/proto/family/v1'
import { errors } from './errors.js'
import { hashPassword } from './secrets.js'
import { revokeSessions } from './sessions.js'

/** Characters that a password has at least (NIST SP 800-63B: at least 8, no composition rules). */
export const leastPassword = 8
const longest = { email: 254, name: 100, password: 1000 }

/** An account as it is stored. */
export interface AccountRow {
  accountId: string
  email: string
  name: string
  passwordHash: string
}

/** The form in which addresses are compared and stored. */
export const normaliseEmail = (email: string): string => email.trim().normalize('NFKC').toLowerCase()

/** Checks what a new account is made of. Throws EMAIL_INVALID, PASSWORD_WEAK or INVALID_VALUE. */
export function checkAccount(email: string, password: string, name: string): void {
  if (email.length > longest.email || !/^[^\s@\p{C}]+@[^\s@\p{C}]+$/u.test(email)) throw errors.emailInvalid()
  checkPassword(email, password)
  checkName(name, 'name')
}

/** Checks a password that an account is to have. Throws PASSWORD_WEAK. */
export function checkPassword(email: string, password: string): void {
  const characters = [...password].length
  if (characters < leastPassword || password.length > longest.password || normaliseEmail(password) === email)
    throw errors.passwordWeak(leastPassword)
}

/** Checks a name that people see. Throws INVALID_VALUE. */
export function checkName(name: string, field: string): void {
  if (name.trim() === '' || name.length > longest.name || /\p{Cc}/u.test(name))
    throw errors.invalid(field, `A name has 1 to ${longest.name} characters.`)
}

/** Makes an account. Throws EMAIL_TAKEN where there is one already. */
export async function createAccount(tx: Tx, email: string, passwordHash: string, name: string): Promise<Account> {
  try {
    const { accountId } = await tx.one<{ accountId: string }>(sql`
      insert into family.accounts (email, name, password_hash) values (${email}, ${name.trim()}, ${passwordHash})
      returning account_id`)
    return { id: accountId, email, name: name.trim() }
  } catch (error) {
    if (isUniqueViolation(error)) throw errors.emailTaken()
    throw error
  }
}

/** The account with that address. */
export const accountByEmail = (tx: Tx, email: string): Promise<AccountRow | undefined> =>
  tx.maybe<AccountRow>(sql`
    select account_id, email, name, password_hash from family.accounts where email = ${email}`)

/** The account with that id. Throws TOKEN_INVALID where it is gone. */
export async function accountById(tx: Tx, accountId: string): Promise<AccountRow> {
  const row = await tx.maybe<AccountRow>(sql`
    select account_id, email, name, password_hash from family.accounts where account_id = ${accountId}`)
  if (row === undefined) throw errors.tokenInvalid()
  return row
}

/** Throws where the account has another password by now than the one that was found right. Nobody changes it while this transaction is open. */
export async function requirePassword(tx: Tx, { accountId, passwordHash }: AccountRow): Promise<void> {
  const same = await tx.maybe(sql`
    select 1 from family.accounts where account_id = ${accountId} and password_hash = ${passwordHash} for update`)
  if (same === undefined) throw errors.wrongCredentials()
}

/** Gives an account another password, whose hash this is; all its sessions end. */
export async function setPassword(tx: Tx, accountId: string, passwordHash: string): Promise<void> {
  await tx.changed(sql`update family.accounts set password_hash = ${passwordHash} where account_id = ${accountId}`)
  await revokeSessions(tx, accountId, 'password_changed')
}

/** The account as its owner sees it. Throws TOKEN_INVALID where it is gone. */
export async function getAccount(tx: Tx, accountId: string): Promise<Account> {
  const { email, name } = await accountById(tx, accountId)
  return { id: accountId, email, name }
}

/** Checks, hashes (outside of any transaction) and returns what `createAccount` stores. */
export async function prepareAccount(email: string, password: string, name: string) {
  const normal = normaliseEmail(email)
  checkAccount(normal, password, name)
  return { email: normal, passwordHash: await hashPassword(password), name }
}
