import { KeepsakeError } from './keepsake-error.js'

/** A person's member in one family. `parent` administers; `relative` sees what its audience allows. */
export interface MemberCaller {
  readonly kind: 'member'
  readonly accountId: string
  readonly familyId: string
  readonly memberId: string
  readonly role: 'parent' | 'relative'
  readonly groupIds: readonly string[]
  /** true: an API key speaks for the person, not the person who signed in. */
  readonly byKey?: true
}

/** A signed-in account outside any family (its families, its API keys, an invitation). */
export interface AccountCaller {
  readonly kind: 'account'
  readonly accountId: string
  /** true: an API key speaks for the person, not the person who signed in. */
  readonly byKey?: true
}

/** Another service, for one family or for none. */
export interface ServiceCaller {
  readonly kind: 'service'
  readonly service: string
  readonly familyId?: string | undefined
}

/** Nobody in particular: no identity was sent. */
export interface AnonymousCaller {
  readonly kind: 'anonymous'
}

/** Who is asking, as verified from the signed identity in the call's metadata. */
export type Caller = MemberCaller | AccountCaller | ServiceCaller | AnonymousCaller

/** What every handler gets beside its request. */
export interface Call {
  readonly caller: Caller
  /** Epoch milliseconds after which nobody waits for the answer. */
  readonly deadline: number
  /** Aborted when the caller cancels, goes away or its deadline passes. */
  readonly signal: AbortSignal
  /** The raw identity token, forwarded by clients that are given `{ call }`. */
  readonly identity?: string | undefined
  /** The public caller's Idempotency-Key, forwarded to the service that owns the effect. */
  readonly idempotencyKey?: string | undefined
}

const unauthenticated = () =>
  new KeepsakeError({ code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', message: 'Please sign in.' })

const denied = (reason: string, message: string) => new KeepsakeError({ code: 'PERMISSION_DENIED', reason, message })

/** The calling member. Throws UNAUTHENTICATED for nobody, PERMISSION_DENIED for anyone who is not in a family. */
export function requireMember(call: Pick<Call, 'caller'>): MemberCaller {
  if (call.caller.kind === 'anonymous') throw unauthenticated()
  if (call.caller.kind !== 'member') throw denied('MEMBER_REQUIRED', 'Only members of the family can do this.')
  return call.caller
}

/** The calling parent. Throws PERMISSION_DENIED for a relative. */
export function requireParent(call: Pick<Call, 'caller'>): MemberCaller {
  const member = requireMember(call)
  if (member.role !== 'parent') throw denied('PARENT_REQUIRED', 'Only a parent of the family can do this.')
  return member
}

/** The calling service, one of `names` where names are given. Throws PERMISSION_DENIED for people. */
export function requireService(call: Pick<Call, 'caller'>, ...names: string[]): ServiceCaller {
  if (call.caller.kind === 'anonymous') throw unauthenticated()
  if (call.caller.kind !== 'service' || (names.length > 0 && !names.includes(call.caller.service)))
    throw denied('SERVICE_REQUIRED', 'This is not open to people.')
  return call.caller
}

/** The account behind the call, as member or as account. Throws UNAUTHENTICATED for nobody. */
export function accountOf(call: Pick<Call, 'caller'>): string {
  if (call.caller.kind === 'member' || call.caller.kind === 'account') return call.caller.accountId
  if (call.caller.kind === 'anonymous') throw unauthenticated()
  throw denied('ACCOUNT_REQUIRED', 'Only a person can do this.')
}

/** Throws SESSION_REQUIRED where an API key asks for what only a person may decide. */
export function requireSession(call: Pick<Call, 'caller'>): void {
  if ('byKey' in call.caller && call.caller.byKey)
    throw denied('SESSION_REQUIRED', 'Only a person who has signed in can decide this: no API key can.')
}

/** The family of the verified caller: a member's own, or the one a service named. Throws where there is none. */
export function familyOf(call: Pick<Call, 'caller'>): string {
  const { caller } = call
  if (caller.kind === 'member') return caller.familyId
  if (caller.kind === 'service' && caller.familyId !== undefined) return caller.familyId
  if (caller.kind === 'anonymous') throw unauthenticated()
  throw denied('FAMILY_REQUIRED', 'This call must be made for one family.')
}
