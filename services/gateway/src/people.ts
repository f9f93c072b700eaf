import type { Correction as CorrectionMessage, Person as PersonMessage } from '@keepsake/proto/cluster/v1'
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

const correction = z
  .object({
    id: z.string(),
    kind: z.string(),
    by: z.string(),
    at: instant,
    undone: z.boolean(),
    personId: z.string().optional(),
    value: z.string().optional().meta({
      description: 'What was said, where it is one word: a name, a child, true or false of `hide`, an answer.',
    }),
    overruledBy: z
      .object({
        correctionId: z.string(),
        by: z.string(),
        at: instant,
        about: z.enum(['face', 'name', 'child', 'hidden']),
        faceIds: z.array(z.string()),
      })
      .optional()
      .meta({
        description:
          'The later word because of which this one does not hold; undoing that one makes this one hold again.',
      }),
  })
  .meta({ id: 'Correction' })
const overruled = z
  .array(correction)
  .meta({ description: 'Earlier words that this one overrules, whoever said them. All are kept.' })
const corrected = z.object({ correctionId: z.string().optional(), overruled })
const instantOf = (at: Date | undefined): string => (at ?? new Date(0)).toISOString()

/** A word of the ledger as clients see it. */
export const shownCorrection = (c: CorrectionMessage): z.input<typeof correction> =>
  present({
    id: c.id,
    kind: c.kind,
    by: c.byMemberId,
    at: instantOf(c.at),
    undone: c.undone,
    personId: orAbsent(c.personId),
    value: c.value,
    overruledBy: c.overruledBy && {
      correctionId: c.overruledBy.correctionId,
      by: c.overruledBy.byMemberId,
      at: instantOf(c.overruledBy.at),
      about: c.overruledBy.about as 'face' | 'name' | 'child' | 'hidden',
      faceIds: c.overruledBy.faceIds,
    },
  }) as z.input<typeof correction>
const shownCorrected = ({
  correctionId,
  overruled: words,
}: {
  correctionId?: string | undefined
  overruled: CorrectionMessage[]
}) => ({
  ...(correctionId === undefined ? {} : { correctionId }),
  overruled: words.map(shownCorrection),
})
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

const known = z
  .object({
    person,
    child: z.object({ id: z.string(), name: z.string(), birthDate: z.string() }).optional(),
    faceRecognition: z
      .object({
        consent: z.boolean(),
        by: z.string().optional(),
        at: instant.optional(),
        textVersion: z.string().optional(),
      })
      .meta({ description: 'The word without which nothing of this would be kept.' }),
    vectors: z.int().meta({ description: 'Face vectors that are kept; their values never leave the album.' }),
    openQuestions: z.int(),
    items: z.array(
      z.object({
        mediaId: z.string(),
        takenAt: instant.optional(),
        faces: z.array(
          z.object({
            id: z.string(),
            knownSince: instant,
            confidence: z.number(),
            confirmed: z.boolean(),
            estimatedAge: z.number(),
          }),
        ),
      }),
    ),
    corrections: z.array(correction),
  })
  .meta({ id: 'KnownPerson' })

/** What is known about one person, put together from every page. */
export async function knownPerson(asked: Asked, personId: string): Promise<z.input<typeof known>> {
  const { clients } = asked.edge
  const items = new Map<string, z.input<typeof known>['items'][number]>()
  for (let cursor = ''; ;) {
    const page = await clients.cluster.exportPerson({ personId, cursor }, await asked.as())
    for (const face of page.faces) {
      const item = items.get(face.mediaId) ?? {
        mediaId: face.mediaId,
        ...(face.takenAt && { takenAt: face.takenAt.toISOString() }),
        faces: [],
      }
      items.set(face.mediaId, item)
      const { faceId: id, confidence, confirmed, age } = face
      item.faces.push({ id, knownSince: instantOf(face.knownSince), confidence, confirmed, estimatedAge: age })
    }
    if ((cursor = page.nextCursor) !== '') continue
    const [{ family }, { children }] = await Promise.all([
      clients.family.getFamily({}, await asked.as()),
      clients.family.listChildren({}, await asked.as()),
    ])
    const child = children.find(({ id }) => id === page.person?.childId)
    const { given = false, byMemberId, at, textVersion } = family?.faceRecognition ?? {}
    return {
      person: await one(asked, page.person),
      ...(child && { child: { id: child.id, name: child.name, birthDate: child.birthDate } }),
      faceRecognition: present({
        consent: given,
        by: byMemberId,
        at: at?.toISOString(),
        textVersion,
      }) as z.input<typeof known>['faceRecognition'],
      vectors: page.vectors,
      openQuestions: page.questions,
      items: [...items.values()],
      corrections: page.corrections.map(shownCorrection),
    }
  }
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
    answer: person.extend({ correctionIds: z.array(z.string()), overruled }),
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
      return {
        ...(await one(input, changed.person)),
        correctionIds: changed.correctionIds,
        overruled: changed.overruled.map(shownCorrection),
      }
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
      return {
        ...(await one(input, merged.person)),
        correctionId: merged.correctionId,
        overruled: merged.overruled.map(shownCorrection),
      }
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
      return {
        ...(await one(input, split.person)),
        correctionId: split.correctionId,
        overruled: split.overruled.map(shownCorrection),
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: `${base}/people/{personId}/export`,
    id: 'exportPerson',
    summary:
      'Everything that is known about one person: the items and since when, names and corrections, how many vectors. For whoever is shown in the album or speaks for them.',
    answer: known,
    codes: ['PERSON_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle(input) {
      return knownPerson(input, input.params.personId)
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/people/{personId}/not-ours`,
    id: 'eraseStranger',
    summary:
      'Says that a person is none of the family’s: every face of theirs is erased for good and not found again in these pictures. A person with a name or a child is refused.',
    answer: z.object({
      erasureIds: z.array(z.string()).meta({ description: 'Receipts, one for each 500 faces.' }),
    }),
    codes: ['PERSON_NOT_FOUND', 'PERSON_IS_OURS', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      return edge.clients.cluster.eraseStranger({ personId: params.personId }, await as(60_000))
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
      const { faceId: id, personId } = { ...params, ...body }
      return shownCorrected(await edge.clients.cluster.confirmFace({ faceId: id, personId }, await as(60_000)))
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
      const personId = body?.personId ?? ''
      return shownCorrected(
        await edge.clients.cluster.rejectFace({ faceId: params.faceId, personId }, await as(60_000)),
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
    summary: 'What parents said about people, newest first; `overruled=true` only what a later word overruled.',
    query: z.object({ ...paging, overruled: yes.optional() }),
    answer: listOf(correction),
    async handle({ query, edge, as }) {
      const page = await edge.clients.cluster.listCorrections(
        { cursor: query.cursor ?? '', limit: query.limit ?? 100, overruled: query.overruled ?? false },
        await as(),
      )
      return {
        items: page.corrections.map(shownCorrection),
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
          candidates: z.array(
            z.object({
              personId: z.string(),
              confidence: z.number(),
              faceUrl: z
                .string()
                .optional()
                .meta({ description: 'A clear face of that person from about the same time, to compare with.' }),
            }),
          ),
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
        page.questions.flatMap(q => [q.faceId, ...q.candidates.map(c => c.faceId)]),
      )
      return {
        items: page.questions.map(q =>
          present({
            id: q.id,
            faceId: q.faceId,
            faceUrl: crops.get(q.faceId),
            mediaId: orAbsent(q.mediaId),
            candidates: q.candidates.map(({ personId, confidence, faceId }) =>
              present({ personId, confidence, faceUrl: crops.get(faceId) }),
            ),
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
      const answer = body.personId ?? body.answer ?? ''
      return shownCorrected(
        await edge.clients.cluster.answerQuestion({ questionId: params.questionId, answer }, await as(60_000)),
      )
    },
  }),
]
