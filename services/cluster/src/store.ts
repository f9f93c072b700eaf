import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { PeopleChanged, publish } from '@keepsake/events'
import type { Box, TimeRange } from './face.js'
import type { LedgerEntry } from './ledger.js'
import type { OutcomeChange, StoredFace } from './family-people.js'
import type { FaceFacts } from './run-worker.js'

/** What is stored of a family, as a run needs it. */
export interface Stored {
  generation: number
  doneGeneration: number
  /** Items that changed since the generation asked for; absent where `faces` are all there are. */
  media?: string[]
  /** Faces, but those of items in the trash. */
  faces: (FaceFacts & StoredFace)[]
  /** How many faces there are. */
  count: number
  ledger: LedgerEntry[]
}

/** More versions of the face pipeline than there will be: an embedding changes with its item's version or with the pipeline's. */
const PIPELINES = 1000

/**
 * Reads a family for a run. The generation is read first: what is read later may only be newer.
 * @param since the generation that was answered last, by whoever asks: where it still is the last one, only what changed since is read.
 */
export async function load(tx: FamilyTx, since?: number): Promise<Stored> {
  const family = await tx.maybe<{ generation: number; doneGeneration: number }>(
    sql`select generation, done_generation from cluster.families where not arriving`,
  )
  const part = since !== undefined && family?.doneGeneration === since
  const media = part
    ? (await tx.many<{ mediaId: string }>(sql`select media_id from cluster.items where generation > ${since}`)).map(
        row => row.mediaId,
      )
    : undefined
  const which = media ? sql`and f.media_id = any(${media}::uuid[])` : sql.empty
  const rows = await tx.many<{
    faceId: string
    mediaId: string
    version: number
    pipeline: number
    age: number
    ageSpread: number
    quality: number
    box: Box
    ranges: TimeRange[] | null
    takenAt: Date | null
    personId: string | null
    confidence: number
    confirmed: boolean
  }>(sql`
    select f.face_id, f.media_id, f.version, f.pipeline, f.age, f.age_spread, f.quality, f.box, f.ranges, i.taken_at, f.person_id, f.confidence, f.confirmed
    from cluster.faces f join cluster.items i using (family_id, media_id) where not i.trashed ${which}`)
  const { count } = media
    ? await tx.one<{ count: number }>(
        sql`select count(*) as count from cluster.faces f join cluster.items i using (family_id, media_id) where not i.trashed`,
      )
    : { count: rows.length }
  return {
    generation: family?.generation ?? 0,
    doneGeneration: family?.doneGeneration ?? 0,
    count,
    ...(media ? { media } : {}),
    faces: rows.map(({ faceId, ranges, takenAt, version, pipeline, ...row }) => ({
      ...row,
      id: faceId,
      version: version * PIPELINES + pipeline,
      ...(ranges ? { ranges } : {}),
      ...(takenAt ? { takenAt: takenAt.getTime() } : {}),
    })),
    ledger: await readEntries(tx),
  }
}

/** The ledger in order. */
export async function readEntries(tx: FamilyTx): Promise<LedgerEntry[]> {
  const rows = await tx.many<{ correctionId: string; sequence: number; undone: boolean; entry: object }>(
    sql`select correction_id, sequence, undone, entry from cluster.corrections order by sequence`,
  )
  return rows.map(
    ({ correctionId, sequence, undone, entry }) => ({ ...entry, id: correctionId, sequence, undone }) as LedgerEntry,
  )
}

/** Embeddings in the order of the ids. A face that went away meanwhile is an error: the run is done again. */
export async function loadEmbeddings(tx: FamilyTx, ids: readonly string[]): Promise<Buffer[]> {
  const found = new Map<string, Buffer>()
  for (let from = 0; from < ids.length; from += 5000) {
    const rows = await tx.many<{ faceId: string; embedding: Buffer }>(
      sql`select face_id, embedding from cluster.faces where face_id = any(${ids.slice(from, from + 5000)}::uuid[])`,
    )
    for (const row of rows) found.set(row.faceId, row.embedding)
  }
  return ids.map(id => {
    const embedding = found.get(id)
    if (!embedding) throw new FacesChanged()
    return embedding
  })
}

/** Faces went away between reading their list and reading them. */
export class FacesChanged extends Error {}

/**
 * Holds the family's row until the transaction ends. Whatever changes faces, facts, words or people begins with it: nothing is then judged by what somebody else
 * is changing, and all take their locks in one order.
 */
export async function hold(tx: FamilyTx): Promise<void> {
  await tx.maybe(sql`select 1 from cluster.families where family_id = ${tx.familyId} for update`)
}

/** Notes that faces, facts or words changed; the next run answers it. Returns the new generation. */
export async function touch(tx: FamilyTx): Promise<number> {
  const { generation } = await tx.one<{ generation: number }>(sql`
    insert into cluster.families (family_id, generation, changed_at, waiting_since)
    values (${tx.familyId}, 1, clock_timestamp(), clock_timestamp())
    on conflict (family_id) do update set generation = families.generation + 1, changed_at = clock_timestamp(),
      waiting_since = coalesce(families.waiting_since, clock_timestamp())
    returning generation`)
  return generation
}

/** Items named in one event, at most. */
const NAMED_ITEMS = 500

/**
 * Stores what a run decided, and says which items it changed. What it decided is a difference from what was stored when it read: where another run stored something
 * since, nothing is written. Returns whether it was stored.
 */
export async function save(tx: FamilyTx, stored: Stored, outcome: OutcomeChange): Promise<boolean> {
  const family = await tx.maybe<{ doneGeneration: number; version: number }>(
    sql`select done_generation, version from cluster.families where not arriving for update`,
  )
  if (!family || family.doneGeneration !== stored.doneGeneration) return false
  const version = family.version + 1
  const media = new Set<string>([
    ...(await saveFaces(tx, stored, outcome)),
    ...(await savePeople(tx, stored, outcome, version)),
  ])
  await saveQuestions(tx, outcome)
  const changed = media.size > 0
  await tx.changed(sql`
    update cluster.families set done_generation = ${stored.generation}, version = ${changed ? version : family.version},
      waiting_since = case when generation > ${stored.generation} then changed_at end`)
  if (changed) {
    const all = media.size > NAMED_ITEMS
    await publish(tx, PeopleChanged, { version, mediaIds: all ? [] : [...media].sort(), all })
  }
  return true
}

/** Writes the faces whose person changed; answers their items. */
async function saveFaces(tx: FamilyTx, stored: Stored, { faces: changed }: OutcomeChange): Promise<string[]> {
  for (let from = 0; from < changed.length; from += 5000) {
    const part = changed.slice(from, from + 5000)
    await tx.changed(sql`
      update cluster.faces f set person_id = n.person_id, confidence = n.confidence, confirmed = n.confirmed
      from unnest(${part.map(c => c.faceId)}::uuid[], ${part.map(c => c.personId)}::uuid[], ${part.map(c => c.confidence)}::real[],
        ${part.map(c => c.confirmed)}::boolean[]) as n (face_id, person_id, confidence, confirmed)
      where f.face_id = n.face_id`)
  }
  // Faces of items in the trash belong to nobody while they are there.
  const hidden = await tx.many<{ mediaId: string }>(sql`
    update cluster.faces f set person_id = null, confidence = 0, confirmed = false from cluster.items i
    where i.media_id = f.media_id and i.trashed and f.person_id is not null ${stored.media ? sql`and f.media_id = any(${stored.media}::uuid[])` : sql.empty} returning f.media_id`)
  return [...changed.filter(c => c.told).map(c => c.mediaId), ...hidden.map(h => h.mediaId)]
}

/** Writes people; answers the items of those whose name, child, visibility or likely age changed: ratings read all of these. */
async function savePeople(tx: FamilyTx, stored: Stored, outcome: OutcomeChange, version: number): Promise<string[]> {
  const ids = outcome.people.map(p => p.id)
  const was = new Map(
    (
      await tx.many<{
        personId: string
        name: string | null
        childId: string | null
        hidden: boolean
        childProbability: number
      }>(
        sql`select person_id, name, child_id, hidden, child_probability from cluster.people ${stored.media ? sql`where person_id = any(${ids}::uuid[])` : sql.empty}`,
      )
    ).map(row => [row.personId, row]),
  )
  const rows = outcome.people.map(p => ({
    person_id: p.id,
    name: p.name ?? null,
    child_id: p.childId ?? null,
    hidden: p.hidden,
    touched: p.touched,
    face_count: p.faceCount,
    media_count: p.mediaCount,
    cover_face_id: p.coverFaceId,
    age: p.age === undefined ? null : Math.round(p.age * 10) / 10,
    stage: p.stage,
    child_probability: Math.round(p.childProbability * 100) / 100,
    anchors: p.anchors,
    perhaps_ours: p.perhapsOurs,
  }))
  const here = new Set(ids)
  // Where the family was read anew, whoever is not there now is gone.
  const gone = stored.media ? outcome.gonePeople : [...was.keys()].filter(id => !here.has(id))
  if (gone.length) await tx.changed(sql`delete from cluster.people where person_id = any(${gone}::uuid[])`)
  for (let from = 0; from < rows.length; from += 2000) {
    const part = rows.slice(from, from + 2000)
    await tx.changed(sql`
      insert into cluster.people as p (family_id, person_id, name, child_id, hidden, touched, face_count, media_count, cover_face_id, age, stage,
        child_probability, anchors, perhaps_ours, version)
      select ${tx.familyId}, person_id, name, child_id, hidden, touched, face_count, media_count, cover_face_id, age, stage, child_probability,
        anchors, perhaps_ours, ${version}
      from jsonb_to_recordset(${sql.json(part)}::jsonb) as n (person_id uuid, name text, child_id uuid, hidden boolean, touched boolean,
        face_count integer, media_count integer, cover_face_id uuid, age real, stage text, child_probability real, anchors uuid[], perhaps_ours boolean)
      on conflict (family_id, person_id) do update set name = excluded.name, child_id = excluded.child_id, hidden = excluded.hidden,
        touched = excluded.touched, face_count = excluded.face_count, media_count = excluded.media_count,
        cover_face_id = excluded.cover_face_id, age = excluded.age, stage = excluded.stage,
        child_probability = excluded.child_probability, anchors = excluded.anchors,
        perhaps_ours = excluded.perhaps_ours, version = excluded.version
      where (p.name, p.child_id, p.hidden, p.touched, p.face_count, p.media_count, p.cover_face_id, p.age, p.stage, p.child_probability, p.anchors,
        p.perhaps_ours)
        is distinct from (excluded.name, excluded.child_id, excluded.hidden, excluded.touched, excluded.face_count, excluded.media_count,
        excluded.cover_face_id, excluded.age, excluded.stage, excluded.child_probability, excluded.anchors, excluded.perhaps_ours)`)
  }
  const told = rows
    .filter(row => {
      const before = was.get(row.person_id)
      return (
        before &&
        (before.name !== row.name ||
          before.childId !== row.child_id ||
          before.hidden !== row.hidden ||
          // Kept with two decimals, as a real: half of the last one is rounding.
          Math.abs(before.childProbability - row.child_probability) > 0.005)
      )
    })
    .map(row => row.person_id)
  if (told.length === 0) return []
  const media = await tx.many<{ mediaId: string }>(
    sql`select distinct media_id from cluster.faces where person_id = any(${told}::uuid[])`,
  )
  return media.map(m => m.mediaId)
}

async function saveQuestions(tx: FamilyTx, outcome: OutcomeChange): Promise<void> {
  await tx.changed(sql`delete from cluster.questions`)
  for (const [rank, q] of outcome.questions.entries())
    await tx.changed(sql`
      insert into cluster.questions (family_id, question_id, rank, media_id, candidates, alike)
      values (${tx.familyId}, ${q.id}, ${rank}, ${q.mediaId}, ${sql.json(q.candidates)}, ${q.alike}::uuid[])`)
  await tx.changed(sql`delete from cluster.child_proposals`)
  for (const [rank, p] of outcome.proposals.entries())
    await tx.changed(sql`
      insert into cluster.child_proposals (family_id, person_id, rank, child_id, confidence, reason)
      values (${tx.familyId}, ${p.personId}, ${rank}, ${p.childId}, ${p.confidence}, ${p.reason})`)
  await tx.changed(sql`delete from cluster.birth_doubts`)
  for (const d of outcome.birthDoubts)
    await tx.changed(sql`
      insert into cluster.birth_doubts (family_id, child_id, person_id, kind, media_count, earliest, years, followed)
      values (${tx.familyId}, ${d.childId}, ${d.personId}, ${d.kind}, ${d.mediaCount},
        ${d.earliest === undefined ? null : new Date(d.earliest)}, ${d.years ?? null}, ${d.followed})`)
}
