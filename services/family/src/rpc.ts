import { Db } from '@keepsake/db'
import {
  FamilyServiceService,
  type AcceptInvitationRequest,
  type AuthenticateRequest,
  type BootstrapRequest,
  type ChangePasswordRequest,
  type CreateAccountRequest,
  type CreateApiKeyRequest,
  type CreateChildRequest,
  type CreateFamilyRequest,
  type CreateGroupRequest,
  type CreateInvitationRequest,
  type CreateSessionRequest,
  type DeleteApiKeyRequest,
  type DeleteChildRequest,
  type DeleteGroupRequest,
  type GetErasureRequest,
  type ListErasuresRequest,
  type DeleteMemberRequest,
  type DeleteSessionRequest,
  type RefreshSessionRequest,
  type SetPlanRequest,
  type UpdateChildRequest,
  type UpdateFamilyRequest,
  type UpdateGroupRequest,
  type UpdateMemberRequest,
} from '@keepsake/proto/family/v1'
import {
  accountOf,
  familyOf,
  requireMember,
  requireParent,
  requireService,
  requireSession,
  RpcService,
  ServiceIdentity,
  type Call,
  type RpcHandlers,
} from '@keepsake/rpc'
import {
  accountByEmail,
  accountById,
  checkPassword,
  createAccount,
  getAccount,
  normaliseEmail,
  prepareAccount,
  requirePassword,
  setPassword,
} from './accounts.js'
import { createApiKey, deleteApiKey, listApiKeys } from './api-keys.js'
import { countAttempt, forgetAttempts } from './attempts.js'
import { authenticate } from './authenticate.js'
import { bootstrap } from './bootstrap.js'
import { createChild, deleteChild, listChildren, updateChild } from './children.js'
import { errors } from './errors.js'
import { deleteFamily, insertFamily, listFamilies, readFamily, roleOf, setPlan, updateFamily } from './families.js'
import { createGroup, deleteGroup, listGroups, updateGroup } from './groups.js'
import { getErasure, getErasureOf, listErasures } from './erasures.js'
import { once } from './idempotency.js'
import { acceptInvitation, createInvitation } from './invitations.js'
import { deleteMember, listMembers, updateMember } from './members.js'
import { signIns } from './metrics.js'
import { hashPassword, passwordMatches } from './secrets.js'
import { closeSession, openSession, refreshSession } from './sessions.js'
import { Settings } from './settings.js'

const rpc = FamilyServiceService

/** Who may call Bootstrap: the runner of one machine. */
const operators = ['operator']

@RpcService(FamilyServiceService)
export class FamilyRpc implements RpcHandlers<typeof FamilyServiceService> {
  constructor(
    private readonly db: Db,
    private readonly identity: ServiceIdentity,
    private readonly settings: Settings,
  ) {}

  async createAccount(r: CreateAccountRequest, call: Call) {
    const prepared = await prepareAccount(r.email, r.password, r.name)
    return this.db.unscoped(call, tx =>
      once(tx, this.settings.seal, call, `address ${prepared.email}`, rpc.createAccount, r, async () => {
        const account = await createAccount(tx, prepared.email, prepared.passwordHash, prepared.name)
        return { account, tokens: await openSession(tx, this.settings.sessions, account.id, this.settings.now()) }
      }),
    )
  }

  async createSession(r: CreateSessionRequest, call: Call) {
    const email = normaliseEmail(r.email)
    const now = this.settings.now()
    const known = await this.db.unscoped(call, async tx => {
      // Counted before the password is looked at: guesses side by side are as many as guesses one by one.
      await countAttempt(tx, email, r.remoteAddress, now)
      return accountByEmail(tx, email)
    })
    const right = await passwordMatches(known?.passwordHash, r.password)
    if (known === undefined || !right) {
      signIns.add(1, { outcome: 'refused' })
      throw errors.wrongCredentials()
    }
    signIns.add(1, { outcome: 'signed_in' })
    return this.db.unscoped(call, async tx => {
      await requirePassword(tx, known)
      await forgetAttempts(tx, email, r.remoteAddress, now)
      const account = { id: known.accountId, email: known.email, name: known.name }
      return { account, tokens: await openSession(tx, this.settings.sessions, account.id, now) }
    })
  }

  async refreshSession(r: RefreshSessionRequest, call: Call) {
    const { sessions } = this.settings
    const outcome = await this.db.unscoped(call, tx =>
      refreshSession(tx, sessions, r.refreshToken, this.settings.now()),
    )
    if (outcome === 'invalid') throw errors.tokenInvalid()
    if (outcome === 'reused') throw errors.refreshReused()
    return { tokens: outcome }
  }

  async deleteSession(r: DeleteSessionRequest, call: Call) {
    await this.db.unscoped(call, tx => closeSession(tx, this.settings.sessions, r.accessToken, this.settings.now()))
    return {}
  }

  authenticate(r: AuthenticateRequest, call: Call) {
    requireService(call, 'gateway')
    return authenticate(this.db, this.identity, this.settings.sessions.access, r, call, this.settings.now())
  }

  getAccount(_: object, call: Call) {
    return this.db.unscoped(call, async tx => ({ account: await getAccount(tx, accountOf(call)) }))
  }

  async changePassword(r: ChangePasswordRequest, call: Call) {
    requireSession(call)
    const accountId = accountOf(call)
    const now = this.settings.now()
    const account = await this.db.unscoped(call, async tx => {
      const found = await accountById(tx, accountId)
      checkPassword(found.email, r.newPassword)
      // Whoever found a tablet open must not guess the password here either.
      await countAttempt(tx, found.email, '', now)
      return found
    })
    if (!(await passwordMatches(account.passwordHash, r.currentPassword))) throw errors.passwordWrong()
    const newHash = await hashPassword(r.newPassword)
    // No key makes it safe to repeat: the session that would ask again has ended with the first call.
    return this.db.unscoped(call, async tx => {
      await requirePassword(tx, account)
      await forgetAttempts(tx, account.email, '', now)
      await setPassword(tx, accountId, newHash)
      return { tokens: await openSession(tx, this.settings.sessions, accountId, now) }
    })
  }

  createApiKey(r: CreateApiKeyRequest, call: Call) {
    const account = accountOf(call)
    return this.db.unscoped(call, tx =>
      once(tx, this.settings.seal, call, account, rpc.createApiKey, r, () =>
        createApiKey(tx, account, r, this.settings.now()),
      ),
    )
  }

  listApiKeys(_: object, call: Call) {
    return this.db.unscoped(call, async tx => ({ apiKeys: await listApiKeys(tx, accountOf(call)) }))
  }

  async deleteApiKey(r: DeleteApiKeyRequest, call: Call) {
    await this.db.unscoped(call, tx => deleteApiKey(tx, accountOf(call), r.id))
    return {}
  }

  createFamily(r: CreateFamilyRequest, call: Call) {
    const accountId = accountOf(call)
    // Consent is a person's word, yes or no: a key that a program holds cannot give it or take it back.
    if (r.faceRecognitionConsent !== undefined) requireSession(call)
    return this.db.family(
      this.settings.newId(),
      tx =>
        once(tx, this.settings.seal, call, accountId, rpc.createFamily, r, async () => {
          const { name } = await getAccount(tx, accountId)
          return { family: await insertFamily(tx, { accountId, name, plan: this.settings.firstPlan }, r) }
        }),
      { signal: call.signal },
    )
  }

  async listFamilies(_: object, call: Call) {
    const account = accountOf(call)
    return { families: await this.db.system('families of an account', tx => listFamilies(tx, account)) }
  }

  getFamily(_: object, call: Call) {
    return this.db.family(call, async tx => ({ family: await readFamily(tx, roleOf(call.caller)) }))
  }

  updateFamily(r: UpdateFamilyRequest, call: Call) {
    const { memberId } = requireParent(call)
    if (r.faceRecognitionConsent !== undefined) requireSession(call)
    return this.db.family(call, tx => updateFamily(tx, memberId, r))
  }

  async deleteFamily(_: object, call: Call) {
    const parent = requireParent(call)
    return { erasureId: await this.db.family(call, tx => deleteFamily(tx, parent)) }
  }

  setPlan(r: SetPlanRequest, call: Call) {
    const { role } = requireParent(call)
    if (!this.settings.planSettable) throw errors.planByOrder()
    return this.db.family(call, async tx => ({ family: await setPlan(tx, r.plan, role) }))
  }

  listMembers(_: object, call: Call) {
    return this.db.family(call, async tx => ({ members: await listMembers(tx, call.caller) }))
  }

  updateMember(r: UpdateMemberRequest, call: Call) {
    const caller = requireMember(call)
    return this.db.family(call, async tx => ({ member: await updateMember(tx, caller, r) }))
  }

  async deleteMember(r: DeleteMemberRequest, call: Call) {
    const caller = requireMember(call)
    return { erasureId: await this.db.family(call, tx => deleteMember(tx, caller, r.id)) }
  }

  listGroups(_: object, call: Call) {
    return this.db.family(call, async tx => ({ groups: await listGroups(tx) }))
  }

  createGroup(r: CreateGroupRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, tx =>
      once(tx, this.settings.seal, call, familyOf(call), rpc.createGroup, r, async () => ({
        group: await createGroup(tx, r.name, r.memberIds),
      })),
    )
  }

  updateGroup(r: UpdateGroupRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, async tx => ({ group: await updateGroup(tx, r) }))
  }

  async deleteGroup(r: DeleteGroupRequest, call: Call) {
    requireParent(call)
    await this.db.family(call, tx => deleteGroup(tx, r.id))
    return {}
  }

  createInvitation(r: CreateInvitationRequest, call: Call) {
    const { memberId } = requireParent(call)
    return this.db.family(call, tx =>
      once(tx, this.settings.seal, call, familyOf(call), rpc.createInvitation, r, () =>
        createInvitation(tx, memberId, r.role, this.settings.now()),
      ),
    )
  }

  acceptInvitation(r: AcceptInvitationRequest, call: Call) {
    return acceptInvitation(this.db, accountOf(call), r.code, this.settings.now())
  }

  listErasures(r: ListErasuresRequest, call: Call) {
    if (call.caller.kind !== 'service') requireParent(call)
    return this.db.family(call, tx => listErasures(tx, r))
  }

  async getErasure({ id }: GetErasureRequest, call: Call) {
    if (call.caller.kind === 'account') {
      const account = accountOf(call)
      return {
        erasure: await this.db.system('a receipt of an account', tx => getErasureOf(tx, account, id)),
      }
    }
    if (call.caller.kind !== 'service') requireParent(call)
    return { erasure: await this.db.family(call, tx => getErasure(tx, id)) }
  }

  listChildren(_: object, call: Call) {
    return this.db.family(call, async tx => ({ children: await listChildren(tx) }))
  }

  createChild(r: CreateChildRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, tx =>
      once(tx, this.settings.seal, call, familyOf(call), rpc.createChild, r, async () => ({
        child: await createChild(tx, r.name, r.birthDate, this.settings.now()),
      })),
    )
  }

  updateChild(r: UpdateChildRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, async tx => ({ child: await updateChild(tx, r, this.settings.now()) }))
  }

  async deleteChild(r: DeleteChildRequest, call: Call) {
    requireParent(call)
    await this.db.family(call, tx => deleteChild(tx, r.id))
    return {}
  }

  bootstrap(r: BootstrapRequest, call: Call) {
    requireService(call, ...operators)
    return bootstrap(this.db, this.settings.sessions, this.settings.newId, r, this.settings.now())
  }
}
