import { describe, expect, test } from 'vitest'
import type { Action, Outcome } from './history.js'
import { digestOf, invariants, judge, type Case } from './invariants.js'
import { makePlan } from './plan.js'
import type { Evidence } from './stores.js'

const families = ['family-a', 'family-b']

/** A small run that went well: two items, a comment, a favourite, a correction, a film and a poison event. */
function good(): Case & { outcomes: Outcome[]; stores: Evidence; poison: Set<string> } {
  const common = { family: 0, atMs: 0, gateway: 0, item: 0 }
  const actions: Action[] = [
    { ...common, id: 'upload-0', do: 'upload', split: false },
    { ...common, id: 'upload-1', do: 'upload', family: 1, split: true },
    { ...common, id: 'comment', do: 'comment', text: 'Hello', twice: true },
    { ...common, id: 'favourite', do: 'favourite', twice: false },
    { ...common, id: 'correct', do: 'correct', description: 'Words' },
    { ...common, id: 'film', do: 'film' },
  ]
  const plan = { ...makePlan({ seed: 1, items: 2, windowMs: 1, kinds: [] }), actions }
  const ids: Record<string, string> = { 'upload-0': 'media-a', 'upload-1': 'media-b', film: 'film-a' }
  const outcomes = actions.map(({ id }) => ({
    action: id,
    acknowledged: true,
    attempts: 1,
    endedMs: 1,
    ...(ids[id] ? { id: ids[id] } : {}),
  }))
  const each = <T>(make: (familyId: string, mediaId: string) => T) =>
    families.map((familyId, i) => make(familyId, i === 0 ? 'media-a' : 'media-b'))
  const key = (familyId: string, mediaId: string) => `families/${familyId}/media/${mediaId}/original`
  const stores: Evidence = {
    uploads: [],
    media: each((familyId, id) => ({ familyId, id, state: 'ready', sha256: 'same', keys: [key(familyId, id)] })),
    catalogue: each((familyId, id) => ({
      familyId,
      id,
      state: 'ready',
      fileName: `${id}.jpg`,
      takenAt: new Date(0),
      description: id === 'media-a' ? 'Words' : '',
      favouriteCount: id === 'media-a' ? 1 : 0,
      commentCount: id === 'media-a' ? 1 : 0,
      rating: 50,
    })),
    comments: [{ familyId: 'family-a', mediaId: 'media-a', text: 'Hello' }],
    favourites: [{ familyId: 'family-a', mediaId: 'media-a', memberId: 'parent' }],
    faceItems: each((familyId, mediaId) => ({ familyId, mediaId, state: 'done' })),
    faces: [],
    clusterFaces: [],
    ratings: each((familyId, mediaId) => ({ familyId, mediaId, value: 50 })),
    films: [
      {
        familyId: 'family-a',
        id: 'film-a',
        title: 'film',
        status: 'rejected',
        statusCode: 'TOO_FEW_ITEMS',
        film: null,
      },
    ],
    segments: [],
    outbox: [
      { familyId: 'family-a', eventId: 'event', topic: 'media.ingested' },
      { familyId: 'family-a', eventId: 'poison', topic: 'media.ingested' },
    ],
    unread: [],
    parked: [],
    dead: [{ grp: 'face', eventId: 'poison', topic: 'media.ingested' }],
    groups: [{ grp: 'face', topic: 'media.ingested' }],
    objects: each((familyId, id) => ({ key: key(familyId, id), size: 1 })),
    digests: new Map(each((familyId, id) => [key(familyId, id), 'same'] as const)),
    published: new Map([['media.ingested', new Set(['event', 'poison'])]]),
    deadOnKafka: new Map([['face', new Set(['poison'])]]),
  }
  const digest = digestOf(stores, families, [['media-a'], ['media-b']])
  const material = families.map(() => [{ name: 'a.jpg', sha256: 'same' }])
  return {
    plan,
    outcomes,
    families,
    material,
    stores,
    poison: new Set(['poison']),
    seenOfOthers: [],
    digest,
    undisturbed: structuredClone(digest),
  }
}

test('a run that went well violates nothing', () => {
  expect(Object.entries(judge(good())).filter(([, found]) => found.length > 0)).toEqual([])
})

describe('every invariant sees what violates it, and no other does', () => {
  const harm: Record<keyof typeof invariants, (run: ReturnType<typeof good>) => void> = {
    'every call was acknowledged in the end': run =>
      void (run.outcomes = run.outcomes.filter(o => o.action !== 'film')),
    'every acknowledged upload is one item with its bytes': run =>
      void run.stores.digests.set('families/family-a/media/media-a/original', 'other'),
    'every acknowledged comment is there once': run => void run.stores.comments.push({ ...run.stores.comments[0]! }),
    'no comment is there that nobody wrote': run =>
      void run.stores.comments.push({ familyId: 'family-a', mediaId: 'media-a', text: 'Who?' }),
    'every acknowledged favourite is there once, and counted so': run => void (run.stores.favourites = []),
    'counts of comments are right': run => void (run.stores.catalogue[1]!.commentCount = 1),
    'every acknowledged correction holds': run => void (run.stores.catalogue[0]!.description = ''),
    'every acknowledged film is there once and has ended': run => void (run.stores.films[0]!.status = 'queued'),
    'every item is ready, in every stage': run => void (run.stores.faceItems[0]!.state = 'failed'),
    'no object is missing': run => void run.stores.objects.pop(),
    'no object is an orphan': run =>
      void run.stores.objects.push({ key: 'families/family-a/media/other/original', size: 1 }),
    'every event of the outbox is on Kafka': run => void run.stores.published.get('media.ingested')?.delete('event'),
    'every group has taken in every event': run =>
      void run.stores.unread.push({ grp: 'face', eventId: 'event', topic: 'media.ingested' }),
    'dead letters hold the planted poison and nothing else': run =>
      void run.stores.dead.push({ grp: 'face', eventId: 'event', topic: 'media.ingested' }),
    'the two families share nothing': run =>
      void run.stores.clusterFaces.push(
        { familyId: 'family-a', faceId: 'x', mediaId: 'media-a', personId: 'someone' },
        { familyId: 'family-b', faceId: 'y', mediaId: 'media-b', personId: 'someone' },
      ),
    'items, faces and ratings are those of the undisturbed run': run =>
      void (Object.values(run.digest.items)[0]!.rating = 1),
    'people are those of the undisturbed run': run => void run.digest.people.push(['a']),
    'selections are those of the undisturbed run': run => void run.digest.selections[0]?.pop(),
  }
  /** What is found beside it, because the same thing is wrong there too. */
  const also: Record<string, string[]> = {
    'every acknowledged comment is there once': ['counts of comments are right'],
    'no comment is there that nobody wrote': ['counts of comments are right'],
  }
  test.each(Object.keys(invariants))('%s', name => {
    const run = good()
    harm[name]?.(run)
    const violated = Object.entries(judge(run)).flatMap(([each, found]) => (found.length > 0 ? [each] : []))
    expect(violated).toContain(name)
    expect(violated.filter(each => each !== name && !also[name]?.includes(each))).toEqual([])
  })
})
