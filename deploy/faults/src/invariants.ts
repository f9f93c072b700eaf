import type { Outcome, Plan } from './history.js'
import type { Evidence } from './stores.js'

/** A piece of a family's folder. */
interface Material {
  name: string
  sha256: string
}

/** What a run is judged by: what was planned, what clients were told, and what the stores hold. */
export interface Case {
  plan: Plan
  outcomes: readonly Outcome[]
  /** Ids of the two families. */
  families: readonly string[]
  /** By family, in the order of items. */
  material: readonly (readonly Material[])[]
  stores: Evidence
  /** Ids of the events that nobody can read, planted on purpose. */
  poison: ReadonlySet<string>
  /** Whether a family was shown anything of the other's. */
  seenOfOthers: readonly string[]
  /** What the run came to without ids, and what the undisturbed run of the same plan came to. */
  digest: Digest
  undisturbed?: Digest
}

/** What an album knows, without a single id. Items are called by the SHA-256 of their bytes. */
export interface Digest {
  /** `family/sha256`: what is known of the item. */
  items: Record<string, { state: string; takenAt: string; faces: string[]; rating: number; description: string }>
  /** Every person as the sorted names of their faces. */
  people: string[][]
  /** By family: what is chosen for prints. */
  selections: string[][]
}

/** Each says what violates it; nothing where it holds. */
export const invariants: Readonly<Record<string, (run: Case) => string[]>> = {
  'every call was acknowledged in the end': ({ outcomes, plan }) => {
    const ended = new Map(outcomes.map(outcome => [outcome.action, outcome]))
    return plan.actions
      .filter(action => ended.get(action.id)?.acknowledged !== true)
      .map(action => `${action.id}: ${ended.get(action.id)?.refusal ?? 'it never ended'}`)
  },

  'every acknowledged upload is one item with its bytes': run => {
    const { stores } = run
    return acknowledged(run, 'upload').flatMap(({ action, outcome }) => {
      const familyId = run.families[action.family]
      const sha256 = run.material[action.family]?.[action.item]?.sha256 ?? ''
      const items = stores.media.filter(item => item.familyId === familyId && item.sha256 === sha256)
      const entries = stores.catalogue.filter(item => item.familyId === familyId && item.id === outcome.id)
      const original = items[0]?.keys[0]
      return [
        ...(items.length === 1 ? [] : [`${action.id}: ${items.length} items have its bytes`]),
        ...(items.some(item => item.id === outcome.id) ? [] : [`${action.id}: the item it was told is another one`]),
        ...(entries.length === 1 ? [] : [`${action.id}: ${entries.length} entries in the catalogue`]),
        ...(original !== undefined && stores.digests.get(original) === sha256
          ? []
          : [`${action.id}: the stored original has other bytes`]),
      ]
    })
  },

  'every acknowledged comment is there once': run =>
    acknowledged(run, 'comment').flatMap(({ action }) => {
      const found = run.stores.comments.filter(
        comment => comment.familyId === run.families[action.family] && comment.text === action.text,
      )
      const right = found.filter(comment => comment.mediaId === itemOf(run, action.family, action.item))
      return found.length === 1 && right.length === 1
        ? []
        : [`${action.id}: ${found.length} times, ${right.length} on its item`]
    }),

  'no comment is there that nobody wrote': run => {
    const written = new Set(run.plan.actions.flatMap(action => (action.do === 'comment' ? [action.text] : [])))
    return run.stores.comments.filter(comment => !written.has(comment.text)).map(comment => comment.text)
  },

  'every acknowledged favourite is there once, and counted so': run =>
    acknowledged(run, 'favourite').flatMap(({ action }) => {
      const id = itemOf(run, action.family, action.item)
      const found = run.stores.favourites.filter(each => each.mediaId === id)
      const counted = run.stores.catalogue.find(each => each.id === id)?.favouriteCount
      return found.length === 1 && counted === 1 ? [] : [`${action.id}: ${found.length} times, counted ${counted}`]
    }),

  'counts of comments are right': ({ stores }) =>
    stores.catalogue.flatMap(entry => {
      const there = stores.comments.filter(comment => comment.mediaId === entry.id).length
      return there === entry.commentCount ? [] : [`${entry.fileName}: ${entry.commentCount} instead of ${there}`]
    }),

  'every acknowledged correction holds': run =>
    acknowledged(run, 'correct').flatMap(({ action }) => {
      const entry = run.stores.catalogue.find(each => each.id === itemOf(run, action.family, action.item))
      return entry?.description === action.description ? [] : [`${action.id}: ${entry?.description ?? 'no item'}`]
    }),

  'every acknowledged film is there once and has ended': run => {
    const ordered = acknowledged(run, 'film')
    return [
      ...ordered.flatMap(({ action, outcome }) => {
        const films = run.stores.films.filter(film => film.title === action.id)
        const film = films[0]
        if (film === undefined || films.length !== 1 || film.id !== outcome.id)
          return [`${action.id}: ${films.length} films`]
        const ended = film.status === 'ready' || (film.status === 'rejected' && film.statusCode === 'TOO_FEW_ITEMS')
        return ended ? [] : [`${action.id}: ${film.status} ${film.statusCode ?? ''}`]
      }),
      ...(run.stores.films.length > run.plan.actions.filter(action => action.do === 'film').length
        ? [`${run.stores.films.length} films are there`]
        : []),
    ]
  },

  'every item is ready, in every stage': ({ stores }) => {
    const entries = new Map(stores.catalogue.map(entry => [entry.id, entry]))
    const faces = new Map(stores.faceItems.map(item => [item.mediaId, item.state]))
    const rated = new Set(stores.ratings.map(rating => rating.mediaId))
    return stores.media.flatMap(({ id, state }) => {
      const wrong = [
        ...(state === 'ready' ? [] : [`ingest says ${state}`]),
        ...(entries.get(id)?.state === 'ready' ? [] : [`album says ${entries.get(id)?.state ?? 'nothing'}`]),
        ...(faces.get(id) === 'done' ? [] : [`face says ${faces.get(id) ?? 'nothing'}`]),
        ...(rated.has(id) ? [] : ['it is not rated']),
      ]
      return wrong.length === 0 ? [] : [`${id}: ${wrong.join(', ')}`]
    })
  },

  'no object is missing': ({ stores }) => {
    const there = new Set(stores.objects.map(object => object.key))
    return expectedObjects(stores).filter(key => !there.has(key))
  },

  'no object is an orphan': ({ stores }) => {
    const expected = new Set([...expectedObjects(stores), ...stores.segments.map(segmentOf)])
    // An upload that was begun and not ended keeps its parts until it runs out.
    const open = new Set(stores.uploads.filter(upload => upload.state === 'open').map(upload => upload.id))
    const ofOpen = (key: string) => open.has(/^families\/[^/]+\/(?:uploads|media)\/([^/]+)\//.exec(key)?.[1] ?? '')
    const films = new Set(stores.films.map(film => film.id))
    const ofFilm = (key: string) => films.has(/^families\/[^/]+\/movies\/([^/]+)\//.exec(key)?.[1] ?? '')
    return stores.objects.map(object => object.key).filter(key => !expected.has(key) && !ofOpen(key) && !ofFilm(key))
  },

  'every event of the outbox is on Kafka': ({ stores }) =>
    stores.outbox
      .filter(event => !stores.published.get(event.topic)?.has(event.eventId))
      .map(event => `${event.topic} ${event.eventId}`),

  'every group has taken in every event': ({ stores }) => [
    ...stores.unread.map(event => `${event.grp} has not taken in ${event.topic} ${event.eventId}`),
    ...stores.parked.map(event => `${event.grp} still tries ${event.topic} ${event.eventId}`),
  ],

  'dead letters hold the planted poison and nothing else': ({ stores, poison }) => {
    const topics = new Map(stores.outbox.map(event => [event.eventId, event.topic]))
    const wanted = [...poison].flatMap(eventId =>
      stores.groups.filter(each => each.topic === topics.get(eventId)).map(each => `${each.grp} ${eventId}`),
    )
    const books = new Set(stores.dead.map(each => `${each.grp} ${each.eventId}`))
    const kafka = new Set([...stores.deadOnKafka].flatMap(([grp, ids]) => [...ids].map(id => `${grp} ${id}`)))
    return [
      ...stores.dead
        .filter(each => !poison.has(each.eventId))
        .map(each => `${each.grp}: ${each.topic} ${each.eventId}`),
      ...[...kafka].filter(each => !books.has(each)).map(each => `on Kafka and not in the books: ${each}`),
      ...wanted.filter(each => !books.has(each)).map(each => `not in the books: ${each}`),
      ...wanted.filter(each => !kafka.has(each)).map(each => `not on Kafka: ${each}`),
    ]
  },

  'the two families share nothing': ({ stores, families, seenOfOthers }) => {
    const homes = new Map<string, Set<string>>()
    const say = (thing: string, familyId: string) =>
      homes.set(thing, (homes.get(thing) ?? new Set<string>()).add(familyId))
    for (const item of stores.media) for (const thing of [item.id, ...item.keys]) say(thing, item.familyId)
    for (const face of stores.faces)
      for (const thing of [face.id, face.cropKey, face.mediaId]) say(thing, face.familyId)
    for (const face of stores.clusterFaces)
      for (const thing of [face.faceId, face.mediaId, face.personId ?? '']) if (thing) say(thing, face.familyId)
    for (const film of stores.films) say(film.id, film.familyId)
    for (const each of [...stores.comments, ...stores.favourites, ...stores.ratings]) say(each.mediaId, each.familyId)
    return [
      ...[...homes].filter(([, of]) => of.size > 1).map(([thing]) => `${thing} belongs to both`),
      ...stores.media.flatMap(item =>
        item.keys.filter(key => !key.startsWith(`families/${item.familyId}/`)).map(key => `${item.id} uses ${key}`),
      ),
      ...stores.objects
        .map(object => object.key)
        .filter(key => !families.some(id => key.startsWith(`families/${id}/`))),
      ...seenOfOthers,
    ]
  },

  'items, faces and ratings are those of the undisturbed run': ({ digest, undisturbed }) =>
    undisturbed ? differences(digest.items, undisturbed.items) : [],

  'people are those of the undisturbed run': ({ digest, undisturbed }) =>
    undisturbed ? differences(named(digest.people), named(undisturbed.people)) : [],

  'selections are those of the undisturbed run': ({ digest, undisturbed }) =>
    undisturbed ? differences({ ...digest.selections }, { ...undisturbed.selections }) : [],
}

/** Every invariant with what violates it. */
export function judge(run: Case): Record<string, string[]> {
  return Object.fromEntries(Object.entries(invariants).map(([name, check]) => [name, check(run)]))
}

/** A digest of what the stores hold; selections are asked for through the API. */
export function digestOf(stores: Evidence, families: readonly string[], selections: readonly string[][]): Digest {
  const sha = new Map(stores.media.map(item => [item.id, item.sha256]))
  const family = (id: string) => families.indexOf(id)
  const faceName = new Map(
    stores.faces.map(face => [
      face.id,
      `${family(face.familyId)}/${sha.get(face.mediaId) ?? '?'}#${face.box.map(v => v.toFixed(3)).join(',')}`,
    ]),
  )
  const facesOf = groupBy(stores.faces, face => face.mediaId)
  const ratings = new Map(stores.ratings.map(rating => [rating.mediaId, rating.value]))
  const people = groupBy(
    stores.clusterFaces.filter(face => face.personId !== null),
    face => face.personId,
  )
  return {
    items: Object.fromEntries(
      stores.catalogue.map(item => [
        `${family(item.familyId)}/${sha.get(item.id) ?? item.id}`,
        {
          state: item.state,
          takenAt: item.takenAt.toISOString(),
          faces: (facesOf.get(item.id) ?? []).map(face => faceName.get(face.id) ?? '').sort(),
          rating: Math.round((ratings.get(item.id) ?? -1) * 1000) / 1000,
          description: item.description,
        },
      ]),
    ),
    people: [...people.values()]
      .map(faces => faces.map(face => faceName.get(face.faceId) ?? '?').sort())
      .sort((a, b) => (a[0] ?? '').localeCompare(b[0] ?? '')),
    selections: selections.map(ids => ids.map(id => sha.get(id) ?? id).sort()),
  }
}

function acknowledged<D extends Plan['actions'][number]['do']>({ plan, outcomes }: Case, kind: D) {
  const ended = new Map(outcomes.map(outcome => [outcome.action, outcome]))
  return plan.actions.flatMap(action => {
    const outcome = ended.get(action.id)
    return action.do === kind && outcome?.acknowledged
      ? [{ action: action as Extract<Plan['actions'][number], { do: D }>, outcome }]
      : []
  })
}

function itemOf({ plan, outcomes }: Case, family: number, item: number): string | undefined {
  const upload = plan.actions.find(each => each.do === 'upload' && each.family === family && each.item === item)
  return outcomes.find(outcome => outcome.action === upload?.id)?.id
}

/** An encoded stretch of film is kept for the next film if it can be: its row comes first, and its bytes are looked for before they are used. */
const segmentOf = ({ familyId, hash }: Evidence['segments'][number]) =>
  `families/${familyId}/movies/segments/${hash}.mp4`

/** Every key that a row promises. */
function expectedObjects(stores: Evidence): string[] {
  return [
    ...stores.media.flatMap(item => item.keys),
    ...stores.faces.map(face => face.cropKey),
    ...stores.films
      .filter(film => film.film !== null)
      .flatMap(film =>
        ['movie.mp4', 'poster.jpg'].map(name => `families/${film.familyId}/movies/${film.id}/${film.film}/${name}`),
      ),
  ]
}

function groupBy<T, K>(all: readonly T[], key: (each: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const each of all) groups.set(key(each), [...(groups.get(key(each)) ?? []), each])
  return groups
}

const named = (people: readonly string[][]) => Object.fromEntries(people.map(faces => [faces[0] ?? '', faces]))

function differences(got: Record<string, unknown>, wanted: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(got), ...Object.keys(wanted)])].flatMap(key => {
    const [is, was] = [JSON.stringify(got[key]), JSON.stringify(wanted[key])]
    return is === was ? [] : [`${key}: ${is ?? 'missing'} instead of ${was ?? 'nothing'}`]
  })
}
