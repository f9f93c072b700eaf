import { sql, type Tx } from '@keepsake/db'
import type { Tokens } from '@keepsake/proto/family/v1'
import type { AccessTokens } from './access-token.js'
import { errors } from './errors.js'
import { digest, newSecret } from './secrets.js'

/** How long sign-ins last and who signs their tokens. */
export interface SessionRules {
  readonly access: AccessTokens
  readonly sessionDays: number
}

const day = 86_400_000

/** Opens a session: an access token for minutes and a refresh token that works once. */
export async function openSession(tx: Tx, rules: SessionRules, accountId: string, now: Date): Promise<Tokens> {
  const { sessionId } = await tx.one<{ sessionId: string }>(sql`
    insert into family.sessions (account_id, expires_at)
    values (${accountId}, ${new Date(now.getTime() + rules.sessionDays * day)}) returning session_id`)
  return issue(tx, rules, sessionId, accountId, now)
}

async function issue(tx: Tx, rules: SessionRules, sessionId: string, accountId: string, now: Date): Promise<Tokens> {
  const refreshToken = newSecret()
  await tx.changed(sql`
    insert into family.refresh_tokens (token_hash, session_id) values (${digest(refreshToken)}, ${sessionId})`)
  const { token, expiresAt } = await rules.access.sign(sessionId, accountId, now)
  return { accessToken: token, expiresAt, refreshToken }
}

/**
 * Exchanges a refresh token for the next pair. One that was used before is either stolen or was stolen: the whole chain is
 * revoked, which stops the access tokens too. Returns what happened, so that the caller commits before it throws.
 */
export async function refreshSession(
  tx: Tx,
  rules: SessionRules,
  refreshToken: string,
  now: Date,
): Promise<Tokens | 'invalid' | 'reused'> {
  // The row lock makes two uses of one token at the same moment a use and a reuse.
  const row = await tx.maybe<{
    sessionId: string
    accountId: string
    usedAt: Date | null
    revokedAt: Date | null
    expiresAt: Date
  }>(sql`
    select t.session_id, s.account_id, t.used_at, s.revoked_at, s.expires_at
    from family.refresh_tokens t join family.sessions s using (session_id)
    where t.token_hash = ${digest(refreshToken)} for update of t, s`)
  if (row === undefined || row.revokedAt !== null || row.expiresAt <= now) return 'invalid'
  if (row.usedAt !== null) {
    await revokeSession(tx, row.sessionId, 'refresh_reused')
    return 'reused'
  }
  await tx.changed(sql`
    update family.refresh_tokens set used_at = ${now} where token_hash = ${digest(refreshToken)}`)
  await tx.changed(sql`
    update family.sessions set expires_at = ${new Date(now.getTime() + rules.sessionDays * day)}
    where session_id = ${row.sessionId}`)
  return issue(tx, rules, row.sessionId, row.accountId, now)
}

/** Ends a session: its refresh token and every access token stop at once. */
export async function revokeSession(tx: Tx, sessionId: string, why: 'signed_out' | 'refresh_reused'): Promise<void> {
  await tx.changed(sql`
    update family.sessions set revoked_at = now(), revoked_for = ${why}
    where session_id = ${sessionId} and revoked_at is null`)
}

/** Ends every session of an account. */
export async function revokeSessions(tx: Tx, accountId: string, why: 'password_changed'): Promise<void> {
  await tx.changed(sql`
    update family.sessions set revoked_at = now(), revoked_for = ${why}
    where account_id = ${accountId} and revoked_at is null`)
}

/** Signs out the session of an access token, expired or not known ones silently. */
export async function closeSession(tx: Tx, rules: SessionRules, accessToken: string, now: Date): Promise<void> {
  const session = await rules.access.read(accessToken, now).catch(() => {
    throw errors.tokenInvalid()
  })
  await revokeSession(tx, session.sessionId, 'signed_out')
}
