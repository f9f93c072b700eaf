import { sql, type Db, type Tx } from '@keepsake/db'
import type { AuthenticateRequest, AuthenticateResponse } from '@keepsake/proto/family/v1'
import type { Call, ServiceIdentity } from '@keepsake/rpc'
import type { AccessTokens } from './access-token.js'
import { apiKeyPrefix } from './api-keys.js'
import { errors } from './errors.js'
import { digest } from './secrets.js'

interface Known {
  accountId: string
  scopes: string[]
}

/**
 * Turns what a client carries into a signed identity for one request: of a member where a family is named, else of the
 * account. The session or key is looked up each time, so a revoked one stops at once. An identity of a key says so: some things only a person
 * decides.
 */
export async function authenticate(
  db: Db,
  identity: ServiceIdentity,
  access: AccessTokens,
  request: AuthenticateRequest,
  call: Call,
  now: Date,
): Promise<AuthenticateResponse> {
  const { token, familyId } = request
  const session = token.startsWith(apiKeyPrefix) ? undefined : await access.read(token, goodAt(request, now))
  const key = session === undefined ? { byKey: true as const } : {}
  const who = (tx: Tx) => (session === undefined ? byKey(tx, token, now) : bySession(tx, session.sessionId, now))
  if (familyId === undefined) {
    const known = await db.unscoped(call, who)
    const signed = await identity.forPerson({ kind: 'account', accountId: known.accountId, ...key })
    return { identity: signed, accountId: known.accountId, scopes: known.scopes, plan: '' }
  }
  // Authenticate is asked by the gateway, whose call is for no family: the family is the one it asks about.
  const { known, member } = await db.family(
    familyId,
    async tx => {
      const found = await who(tx)
      return { known: found, member: await memberOf(tx, found.accountId) }
    },
    { signal: call.signal },
  )
  if (member === undefined) throw errors.familyNotFound()
  const signed = await identity.forPerson({
    kind: 'member',
    accountId: known.accountId,
    familyId: member.familyId,
    memberId: member.memberId,
    role: member.role,
    groupIds: member.groupIds,
    ...key,
  })
  return {
    identity: signed,
    accountId: known.accountId,
    memberId: member.memberId,
    role: member.role,
    scopes: known.scopes,
    plan: member.plan,
  }
}

/** A request goes on with the token it began with for at most so long, ms. */
const longestRequestMs = 24 * 60 * 60_000

/** The moment at which a token must not have run out: now, or when the request began that the gateway goes on with. */
function goodAt({ beganAt }: AuthenticateRequest, now: Date): Date {
  if (beganAt === undefined) return now
  const sinceMs = now.getTime() - beganAt.getTime()
  return sinceMs >= 0 && sinceMs <= longestRequestMs ? beganAt : now
}

async function bySession(tx: Tx, sessionId: string, now: Date): Promise<Known> {
  const row = await tx.maybe<{ accountId: string }>(sql`
    select account_id from family.sessions
    where session_id = ${sessionId} and revoked_at is null and expires_at > ${now}`)
  if (row === undefined) throw errors.tokenInvalid()
  return { accountId: row.accountId, scopes: [] }
}

async function byKey(tx: Tx, secret: string, now: Date): Promise<Known> {
  const row = await tx.maybe<Known>(sql`
    select account_id, scopes from family.api_keys
    where secret_hash = ${digest(secret)} and (expires_at is null or expires_at > ${now})`)
  if (row === undefined) throw errors.tokenInvalid()
  return row
}

const memberOf = (tx: Tx, accountId: string) =>
  tx.maybe<{ familyId: string; memberId: string; role: 'parent' | 'relative'; plan: string; groupIds: string[] }>(sql`
    select m.family_id, m.member_id, m.role, f.plan,
           array(select group_id::text from family.group_members g
                 where g.family_id = m.family_id and g.member_id = m.member_id order by 1) as group_ids
    from family.members m join family.families f using (family_id)
    where m.account_id = ${accountId} and f.removed_at is null`)
