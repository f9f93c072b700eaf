import type { Person as PersonMessage } from '@keepsake/proto/cluster/v1'
import { z } from 'zod'
import { ifThere } from './clients.js'
import { endpoint, type AnyEndpoint, type Input } from './endpoint.js'
import { erasureHeader } from './erasures.js'
import { errors } from './errors.js'
import { cursorOf, listOf, orAbsent, paging, present, yes } from './list.js'
import { mediaUrl } from './media-urls.js'
import { personNames } from './person-names.js'
import { instant } from './times.js'

const person = z
  .object({
    id: z.string(),
    name: z.string().optional(),
    childId: z.string().optional(),
    hidden: z.boolean(),
    faceCount: z.int(),
    mediaCount: z.int(),
    coverFaceId: z.string().optional(),
    coverUrl: z.string().optional(),
    firstSeen: instant.optional(),
    lastSeen: instant.optional(),
    age: z.number().optional(),
    stage: z.string().optional(),
    childProbability: z.number().optional(),
    version: z.int(),
  })
  .meta({ id: 'Person' })

const corrected = z.object({ correctionId: z.string().optional() })
const faceId = z.string().max(100)
const base = '/v1/families/{familyId}' as const
type Asked = Pick<Input<unknown, unknown, unknown>, 'edge' | 'as' | 'asGateway'>

/** URLs of the small crops of faces; none while the face service is away. */
async function cropUrls(asked: Asked, faceIds: readonly string[]): Promise<Map<string, string>> {
  const wanted = [...new Set(faceIds.filter(Boolean))]
  const urls = new Map<string, string>()
  // The face service takes 500 ids at most.
  for (let i = 0; i < wanted.length; i += 500) {
    const some = wanted.slice(i, i + 500)
    const answer = await ifThere(
      asked.edge.clients.face.getFaces({ mediaIds: [], embeddings: false, faceIds: some }, asked.asGateway(5000)),
    )
    for (const face of answer?.items.flatMap(item => item.faces) ?? [])
      if (face.cropKey !== '') urls.set(face.id, mediaUrl(asked.edge.store, face.cropKey))
  }
  return urls
}

const shown = (
  p: PersonMessage,
  name: string | undefined,
  crops: ReadonlyMap<string, string>,
): z.input<typeof person> =>
  present({
    id: p.id,
    name,
    childId: orAbsent(p.childId ?? ''),
    hidden: p.hidden,
    faceCount: p.faceCount,
    mediaCount: p.mediaCount,
    coverFaceId: orAbsent(p.coverFaceId),
    coverUrl: crops.get(p.coverFaceId),
    firstSeen: p.firstSeen?.toISOString(),
    lastSeen: p.lastSeen?.toISOString(),
    age: p.age,
    stage: orAbsent(p.stage),
    childProbability: p.childProbability,
    version: p.version,
  }) as z.input<typeof person>

async function one(asked: Asked, p: PersonMessage | undefined): Promise<z.input<typeof person>> {
  if (p === undefined) throw errors.notFound()
  const [names, crops] = await Promise.all([personNames(asked, [p]), cropUrls(asked, [p.coverFaceId])])
  return shown(p, names.get(p.id), crops)
}

/** People, corrections and questions. */
export const peopleEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: `${base}/people`,
    id: 'listPeople',
    summary: 'People, most seen first; `hidden=true` with the hidden ones.',
    query: z.object({ ...paging, hidden: yes.optional() }),
    answer: listOf(person),
    async handle(input) {
      const { query, edge } = input
      const page = await edge.clients.cluster.listPeople(
        { includeHidden: query.hidden ?? false, cursor: query.cursor ?? '', limit: query.limit ?? 100 },
        await input.as(),
      )
      const coverFaces = page.people.map(p => p.coverFaceId)
      const [names, crops] = await Promise.all([personNames(input, page.people), cropUrls(input, coverFaces)])
      return { items: page.people.map(p => shown(p, names.get(p.id), crops)), nextCursor: cursorOf(page.nextCursor) }
    },
  }),
  endpoint({
    method: 'GET',
    path: `${base}/people/{personId}`,
    id: 'getPerson',
    summary: 'One person.',
    answer: person,
    codes: ['PERSON_NOT_FOUND'],
    async handle(input) {
      const { personId } = input.params
      return one(input, (await input.edge.clients.cluster.getPerson({ personId }, await input.as())).person)
    },
  }),
  endpoint({
    method: 'PATCH',
    path: `${base}/people/{personId}`,
    id: 'updatePerson',
    summary: 'Names, hides or links a person to a child; `null` takes name or link away.',
    body: z.object({
      name: z.string().max(100).nullable().optional(),
      childId: z.string().max(100).nullable().optional(),
      hidden: z.boolean().optional(),
    }),
    answer: person.extend({ correctionIds: z.array(z.string()) }),
    codes: ['PERSON_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle(input) {
      const { body, params } = input
      const changed = await input.edge.clients.cluster.updatePerson(
        {
          personId: params.personId,
          name: body.name === null ? '' : body.name,
          childId: body.childId === null ? '' : body.childId,
          hidden: body.hidden,
        },
        await input.as(),
      )
      return { ...(await one(input, changed.person)), correctionIds: changed.correctionIds }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/people/{personId}/merge`,
    id: 'mergePeople',
    summary: 'Says that two people are one.',
    body: z.object({ into: z.string().max(100) }),
    answer: person.extend({ correctionId: z.string() }),
    codes: ['PERSON_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle(input) {
      const { body, params } = input
      const merged = await input.edge.clients.cluster.mergePeople(
        { personId: params.personId, intoPersonId: body.into },
        await input.as(60_000),
      )
      return { ...(await one(input, merged.person)), correctionId: merged.correctionId }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/people/{personId}/split`,
    id: 'splitPerson',
    summary: 'Makes a new person of some of the faces.',
    body: z.object({ faceIds: z.array(faceId).min(1).max(5000) }),
    answer: person.extend({ correctionId: z.string() }),
    status: 201,
    codes: ['PERSON_NOT_FOUND', 'FACE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle(input) {
      const { body, params } = input
      const split = await input.edge.clients.cluster.splitPerson(
        { personId: params.personId, faceIds: body.faceIds },
        await input.as(60_000),
      )
      return { ...(await one(input, split.person)), correctionId: split.correctionId }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/faces/{faceId}/confirm`,
    id: 'confirmFace',
    summary: 'Says that the face is that person.',
    body: z.object({ personId: z.string().max(100) }),
    answer: corrected,
    codes: ['FACE_NOT_FOUND', 'PERSON_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      return edge.clients.cluster.confirmFace({ faceId: params.faceId, personId: body.personId }, await as(60_000))
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/faces/{faceId}/reject`,
    id: 'rejectFace',
    summary: 'Says that the face is not that person; without a person: that it is no face of anyone.',
    body: z.object({ personId: z.string().max(100).optional() }).optional(),
    answer: corrected,
    codes: ['FACE_NOT_FOUND', 'PERSON_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      return edge.clients.cluster.rejectFace(
        { faceId: params.faceId, personId: body?.personId ?? '' },
        await as(60_000),
      )
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${base}/faces/{faceId}`,
    id: 'eraseFace',
    summary:
      'Erases a face for good, with all that was computed from it; it is not found again. `Keepsake-Erasure-Id` names the receipt.',
    codes: ['FACE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as, reply }) {
      const { erasureId } = await edge.clients.face.eraseFaces({ faceIds: [params.faceId] }, await as())
      void reply.header(erasureHeader, erasureId)
    },
  }),
  endpoint({
    method: 'GET',
    path: `${base}/corrections`,
    id: 'listCorrections',
    summary: 'What parents said about people, newest first.',
    query: z.object(paging),
    answer: listOf(
      z
        .object({
          id: z.string(),
          kind: z.string(),
          by: z.string(),
          at: instant,
          undone: z.boolean(),
          personId: z.string().optional(),
        })
        .meta({ id: 'Correction' }),
    ),
    async handle({ query, edge, as }) {
      const page = await edge.clients.cluster.listCorrections(
        { cursor: query.cursor ?? '', limit: query.limit ?? 100 },
        await as(),
      )
      return {
        items: page.corrections.map(c =>
          present({
            id: c.id,
            kind: c.kind,
            by: c.byMemberId,
            at: (c.at ?? new Date(0)).toISOString(),
            undone: c.undone,
            personId: orAbsent(c.personId),
          }),
        ),
        nextCursor: cursorOf(page.nextCursor),
      }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/corrections/{correctionId}/undo`,
    id: 'undoCorrection',
    summary: 'Takes a correction back.',
    codes: ['CORRECTION_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.cluster.undoCorrection({ correctionId: params.correctionId }, await as(60_000))
    },
  }),
  endpoint({
    method: 'GET',
    path: `${base}/questions`,
    id: 'listQuestions',
    summary: '“Hana or Yui?”: faces that Keepsake asks about instead of guessing.',
    query: z.object(paging),
    answer: listOf(
      z
        .object({
          id: z.string(),
          faceId: z.string(),
          faceUrl: z.string().optional(),
          mediaId: z.string().optional(),
          candidates: z.array(z.object({ personId: z.string(), confidence: z.number() })),
        })
        .meta({ id: 'Question' }),
    ),
    async handle(input) {
      const { query, edge } = input
      const page = await edge.clients.cluster.listQuestions(
        { cursor: query.cursor ?? '', limit: query.limit ?? 50 },
        await input.as(),
      )
      const crops = await cropUrls(
        input,
        page.questions.map(q => q.faceId),
      )
      return {
        items: page.questions.map(q =>
          present({
            id: q.id,
            faceId: q.faceId,
            faceUrl: crops.get(q.faceId),
            mediaId: orAbsent(q.mediaId),
            candidates: q.candidates,
          }),
        ),
        nextCursor: cursorOf(page.nextCursor),
      }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/questions/{questionId}/answer`,
    id: 'answerQuestion',
    summary: 'Answers a question: a person, `neither` or `not_sure`.',
    body: z
      .object({ personId: z.string().max(100).optional(), answer: z.string().max(100).optional() })
      .refine(b => (b.personId ?? b.answer) !== undefined, 'needs personId or answer'),
    answer: corrected,
    codes: ['QUESTION_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      return edge.clients.cluster.answerQuestion(
        { questionId: params.questionId, answer: body.personId ?? body.answer ?? '' },
        await as(60_000),
      )
    },
  }),
]
