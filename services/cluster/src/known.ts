import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import type { ExportPersonRequest, ExportPersonResponse } from '@keepsake/proto/cluster/v1'
import type { Call } from '@keepsake/rpc'
import { isAbout, readWords, shownWords } from './overruled.js'
import { decodeCursor, encodeCursor, getPerson } from './reading.js'

/** Faces of one page. */
const PAGE = 2000

/** What is known about one person, for who is shown in the album or speaks for her: vectors are counted, not given out. Throws PERSON_NOT_FOUND. */
export async function exportPerson(
  tx: FamilyTx,
  call: Call,
  { personId, cursor }: ExportPersonRequest,
): Promise<ExportPersonResponse> {
  const person = await getPerson(tx, call, personId)
  const offset = decodeCursor(cursor)
  const faces = await tx.many<{
    faceId: string
    mediaId: string
    takenAt: Date | null
    takenInAt: Date
    confidence: number
    confirmed: boolean
    age: number
  }>(sql`
    select f.face_id, f.media_id, i.taken_at, f.taken_in_at, f.confidence, f.confirmed, f.age
    from cluster.faces f join cluster.items i using (family_id, media_id)
    where f.family_id = ${tx.familyId} and f.person_id = ${personId} and not i.trashed
    order by i.taken_at nulls last, f.face_id limit ${PAGE + 1} offset ${offset}`)
  const { vectors, questions } = await tx.one<{ vectors: number; questions: number }>(sql`
    select (select count(*) from cluster.faces where family_id = ${tx.familyId} and person_id = ${personId}) as vectors,
      (select count(*) from cluster.questions
       where family_id = ${tx.familyId} and candidates @> ${sql.json([{ personId }])}::jsonb) as questions`)
  const words = await readWords(tx)
  const shown = shownWords(words)
  return {
    person,
    vectors,
    questions,
    corrections: shown.filter((_, i) => isAbout(words[i]!, personId)),
    faces: faces.slice(0, PAGE).map(({ takenAt, takenInAt, ...face }) => ({
      ...face,
      takenAt: takenAt ?? undefined,
      knownSince: takenInAt,
    })),
    nextCursor: faces.length > PAGE ? encodeCursor(offset + PAGE) : '',
  }
}
