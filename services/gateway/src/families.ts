import type { BirthDoubt } from '@keepsake/proto/cluster/v1'
import type { Family as FamilyMessage } from '@keepsake/proto/family/v1'
import { z } from 'zod'
import { ifThere } from './clients.js'
import { endpoint, type AnyEndpoint, type Person } from './endpoint.js'
import { erasureHeader } from './erasures.js'
import { errors } from './errors.js'
import { listOf, present, wholeList } from './list.js'
import { day, instant } from './times.js'

const plan = z.enum(['free', 'premium'])
const role = z.enum(['parent', 'relative'])
const id = z.string().max(100)
const name = z.string().max(100)

const family = z
  .object({
    id: z.string(),
    name: z.string(),
    plan,
    role: z.string(),
    timeZone: z.string(),
    locale: z.string(),
    unknownFacesDays: z
      .int()
      .meta({ description: 'Days after which faces of people whom nobody named, linked or confirmed are erased.' }),
    faceRecognition: z.object({
      consent: z.boolean().nullable().meta({ description: 'null: nobody has decided yet.' }),
      by: z.string().optional(),
      at: instant.optional(),
      textVersion: z.string().optional(),
    }),
    version: z.int(),
  })
  .meta({ id: 'Family' })

/** Consent is a person's word, yes or no: a key that a program holds cannot give it or take it back. */
function requireDecider(person: Person, faceRecognition: unknown): void {
  if (faceRecognition !== undefined && person.byKey) throw errors.sessionRequired()
}

const consent = z.object({ consent: z.boolean(), textVersion: z.string().max(100).optional() })
const member = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.string(),
    groups: z.array(z.string()),
    email: z.string().optional(),
    me: z.boolean().optional().meta({ description: 'true: who asks.' }),
  })
  .meta({ id: 'Member' })
const group = z.object({ id: z.string(), name: z.string(), memberIds: z.array(z.string()) }).meta({ id: 'Group' })
const child = z
  .object({
    id: z.string(),
    name: z.string(),
    birthDate: day,
    personId: z.string().optional(),
    birthDateDoubt: z
      .object({
        kind: z.enum(['before-birth', 'looks-older', 'looks-younger']),
        mediaCount: z.int(),
        earliest: instant.optional(),
        years: z.int().optional(),
        followed: z.boolean().meta({ description: 'Pictures before the date are not shown as the child’s.' }),
      })
      .optional()
      .meta({ description: 'For parents: what the child’s pictures say against the birth date.' }),
  })
  .meta({ id: 'Child' })

const doubtKinds = {
  before_birth: 'before-birth',
  looks_older: 'looks-older',
  looks_younger: 'looks-younger',
} as const

const shownDoubt = ({ kind, mediaCount, earliest, years, followed }: BirthDoubt) =>
  present({
    kind: doubtKinds[kind as keyof typeof doubtKinds],
    mediaCount,
    earliest: earliest?.toISOString(),
    years,
    followed,
  })

function shownFamily(f: FamilyMessage | undefined): z.input<typeof family> {
  if (f === undefined) throw errors.notFound()
  const { given = false, at, byMemberId, textVersion } = f.faceRecognition ?? {}
  return {
    id: f.id,
    name: f.name,
    plan: f.plan === 'premium' ? 'premium' : 'free',
    role: f.role,
    timeZone: f.timeZone,
    locale: f.locale,
    unknownFacesDays: f.unknownFacesDays,
    faceRecognition: present({
      consent: at === undefined ? null : given,
      by: byMemberId,
      at: at?.toISOString(),
      textVersion,
    }),
    version: f.version,
  }
}

const shownMember = (
  m: { id: string; name: string; role: string; groupIds: string[]; email: string } | undefined,
  person: Person,
) => {
  if (m === undefined) throw errors.notFound()
  const me = m.id === person.memberId || undefined
  return present({ id: m.id, name: m.name, role: m.role, groups: m.groupIds, email: m.email || undefined, me })
}

const required = <T>(value: T | undefined): T => {
  if (value === undefined) throw errors.notFound()
  return value
}

const at = <const P extends string>(path: P) => `/v1/families/{familyId}${path}` as const

/** Families, plan, members, groups, invitations and children. */
export const familyEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/families',
    id: 'listFamilies',
    summary: 'The families of the account.',
    answer: listOf(family),
    async handle({ edge, as }) {
      const { families } = await edge.clients.family.listFamilies({}, await as())
      return wholeList(families.map(shownFamily))
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/families',
    id: 'createFamily',
    summary: 'Makes a family; who makes it is its first parent.',
    body: z.object({
      name,
      timeZone: z.string().max(100).default('UTC'),
      locale: z.enum(['en', 'ja']).default('en'),
      faceRecognition: consent.optional(),
    }),
    answer: family,
    status: 201,
    codes: ['CONSENT_TEXT_REQUIRED', 'SESSION_REQUIRED'],
    async handle({ body, person, edge, as }) {
      requireDecider(person, body.faceRecognition)
      const { faceRecognition, ...settings } = body
      const made = await edge.clients.family.createFamily(
        {
          ...settings,
          faceRecognitionConsent: faceRecognition?.consent,
          consentTextVersion: faceRecognition?.textVersion,
        },
        await as(),
      )
      return shownFamily(made.family)
    },
  }),
  endpoint({
    method: 'GET',
    path: at(''),
    id: 'getFamily',
    summary: 'One family.',
    answer: family,
    async handle({ edge, as }) {
      return shownFamily((await edge.clients.family.getFamily({}, await as())).family)
    },
  }),
  endpoint({
    method: 'PATCH',
    path: at(''),
    id: 'updateFamily',
    summary: 'Changes settings. Withdrawing consent to face recognition erases every face.',
    body: z.object({
      name: name.optional(),
      timeZone: z.string().max(100).optional(),
      locale: z.enum(['en', 'ja']).optional(),
      unknownFacesDays: z.int().min(7).max(365).optional(),
      faceRecognition: consent.optional(),
    }),
    answer: family,
    codes: ['CONSENT_TEXT_REQUIRED', 'PARENT_REQUIRED', 'SESSION_REQUIRED'],
    async handle({ body, person, edge, as, reply }) {
      requireDecider(person, body.faceRecognition)
      const { faceRecognition, ...settings } = body
      const changed = await edge.clients.family.updateFamily(
        {
          ...settings,
          faceRecognitionConsent: faceRecognition?.consent,
          consentTextVersion: faceRecognition?.textVersion,
        },
        await as(),
      )
      if (changed.erasureId !== undefined) void reply.header(erasureHeader, changed.erasureId)
      return shownFamily(changed.family)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: at(''),
    id: 'deleteFamily',
    summary: 'Removes the family and erases everything it has; `Keepsake-Erasure-Id` names the receipt.',
    scope: 'admin',
    codes: ['PARENT_REQUIRED'],
    async handle({ edge, as, reply }) {
      const { erasureId } = await edge.clients.family.deleteFamily({}, await as())
      void reply.header(erasureHeader, erasureId)
    },
  }),
  endpoint({
    method: 'GET',
    path: at('/plan'),
    id: 'getPlan',
    summary: 'The family’s plan.',
    answer: z.object({ plan }),
    async handle({ edge, as }) {
      return { plan: shownFamily((await edge.clients.family.getFamily({}, await as())).family).plan }
    },
  }),
  endpoint({
    method: 'PUT',
    path: at('/plan'),
    id: 'setPlan',
    summary: 'Sets the plan where the operator allows it (one machine); elsewhere it takes an order.',
    scope: 'admin',
    body: z.object({ plan }),
    answer: z.object({ plan }),
    codes: ['PLAN_BY_ORDER', 'PARENT_REQUIRED'],
    async handle({ body, edge, as }) {
      return { plan: shownFamily((await edge.clients.family.setPlan(body, await as())).family).plan }
    },
  }),

  endpoint({
    method: 'GET',
    path: at('/members'),
    id: 'listMembers',
    summary: 'The members; addresses are shown to parents.',
    answer: listOf(member),
    async handle({ edge, person, as }) {
      const { members } = await edge.clients.family.listMembers({}, await as())
      return wholeList(members.map(m => shownMember(m, person)))
    },
  }),
  endpoint({
    method: 'PATCH',
    path: at('/members/{memberId}'),
    id: 'updateMember',
    summary: 'Renames a member or changes the role.',
    scope: 'admin',
    body: z.object({ name: name.optional(), role: role.optional() }),
    answer: member,
    codes: ['MEMBER_NOT_FOUND', 'LAST_PARENT', 'PARENT_REQUIRED'],
    async handle({ params, body, person, edge, as }) {
      const changed = await edge.clients.family.updateMember({ id: params.memberId, ...body }, await as())
      return shownMember(changed.member, person)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: at('/members/{memberId}'),
    id: 'deleteMember',
    summary: 'Removes a member with what she wrote and liked, or leaves; what she uploaded stays with the family.',
    scope: 'admin',
    codes: ['MEMBER_NOT_FOUND', 'LAST_PARENT', 'PARENT_REQUIRED'],
    async handle({ params, edge, as, reply }) {
      const { erasureId } = await edge.clients.family.deleteMember({ id: params.memberId }, await as())
      void reply.header(erasureHeader, erasureId)
    },
  }),
  endpoint({
    method: 'GET',
    path: at('/groups'),
    id: 'listGroups',
    summary: 'The groups of members.',
    answer: listOf(group),
    async handle({ edge, as }) {
      return wholeList((await edge.clients.family.listGroups({}, await as())).groups)
    },
  }),
  endpoint({
    method: 'POST',
    path: at('/groups'),
    id: 'createGroup',
    summary: 'Makes a group.',
    body: z.object({ name, memberIds: z.array(id).max(1000).default([]) }),
    answer: group,
    status: 201,
    codes: ['GROUP_EXISTS', 'MEMBER_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ body, edge, as }) {
      return required((await edge.clients.family.createGroup(body, await as())).group)
    },
  }),
  endpoint({
    method: 'PATCH',
    path: at('/groups/{groupId}'),
    id: 'updateGroup',
    summary: 'Renames a group or replaces its members.',
    body: z.object({ name: name.optional(), memberIds: z.array(id).max(1000).optional() }),
    answer: group,
    codes: ['GROUP_NOT_FOUND', 'GROUP_EXISTS', 'MEMBER_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      const changed = await edge.clients.family.updateGroup(
        {
          id: params.groupId,
          name: body.name,
          memberIds: body.memberIds ?? [],
          replaceMembers: body.memberIds !== undefined,
        },
        await as(),
      )
      return required(changed.group)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: at('/groups/{groupId}'),
    id: 'deleteGroup',
    summary: 'Removes a group.',
    codes: ['GROUP_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.family.deleteGroup({ id: params.groupId }, await as())
    },
  }),
  endpoint({
    method: 'POST',
    path: at('/invitations'),
    id: 'createInvitation',
    summary: 'Makes a code that lets one person in, once.',
    scope: 'admin',
    body: z.object({ role }),
    answer: z.object({ code: z.string(), url: z.string(), expiresAt: instant }),
    status: 201,
    codes: ['PARENT_REQUIRED'],
    async handle({ body, edge, as }) {
      const { code, expiresAt } = await edge.clients.family.createInvitation(body, await as())
      const base = edge.config.KEEPSAKE_PUBLIC_URL?.replace(/\/$/, '') ?? ''
      return { code, url: `${base}/join/${code}`, expiresAt: (expiresAt ?? new Date(0)).toISOString() }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/invitations/{code}/accept',
    id: 'acceptInvitation',
    summary: 'Joins the family that the code was made in.',
    answer: family,
    codes: ['INVITATION_NOT_FOUND', 'ALREADY_MEMBER'],
    async handle({ params, edge, as }) {
      return shownFamily((await edge.clients.family.acceptInvitation({ code: params.code }, await as())).family)
    },
  }),

  endpoint({
    method: 'GET',
    path: at('/children'),
    id: 'listChildren',
    summary: 'The children, eldest first, with the person each is linked to.',
    answer: listOf(child),
    async handle({ person, edge, as }) {
      const isParent = person.role === 'parent'
      const [{ children }, people, doubted] = await Promise.all([
        edge.clients.family.listChildren({}, await as()),
        ifThere(edge.clients.cluster.listPeople({ includeHidden: true, cursor: '', limit: 500 }, await as())),
        isParent ? ifThere(edge.clients.cluster.listBirthDoubts({}, await as())) : undefined,
      ])
      return wholeList(
        children.map(c => {
          const doubt = doubted?.doubts.find(d => d.childId === c.id)
          return present({
            ...c,
            personId: people?.people.find(p => p.childId === c.id)?.id,
            birthDateDoubt: doubt && shownDoubt(doubt),
          })
        }),
      )
    },
  }),
  endpoint({
    method: 'POST',
    path: at('/children'),
    id: 'createChild',
    summary: 'Registers a child.',
    body: z.object({ name, birthDate: day }),
    answer: child,
    status: 201,
    codes: ['PARENT_REQUIRED'],
    async handle({ body, edge, as }) {
      return required((await edge.clients.family.createChild(body, await as())).child)
    },
  }),
  endpoint({
    method: 'GET',
    path: at('/children/proposals'),
    id: 'listChildProposals',
    summary: 'People who may be children, from age and frequency, for a parent to link.',
    answer: listOf(
      z
        .object({
          personId: z.string(),
          childId: z.string().optional(),
          confidence: z.number(),
          reason: z.string(),
        })
        .meta({ id: 'ChildProposal' }),
    ),
    async handle({ edge, as }) {
      const { proposals } = await edge.clients.cluster.listChildProposals({}, await as())
      return wholeList(proposals.map(p => present({ ...p })))
    },
  }),
  endpoint({
    method: 'PATCH',
    path: at('/children/{childId}'),
    id: 'updateChild',
    summary: 'Corrects a child’s name or birth date.',
    body: z.object({ name: name.optional(), birthDate: day.optional() }),
    answer: child,
    codes: ['CHILD_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      return required((await edge.clients.family.updateChild({ id: params.childId, ...body }, await as())).child)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: at('/children/{childId}'),
    id: 'deleteChild',
    summary: 'Removes a child; no item is touched.',
    codes: ['CHILD_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.family.deleteChild({ id: params.childId }, await as())
    },
  }),
]
