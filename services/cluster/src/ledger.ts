/** What every entry of the ledger says about itself. */
interface Entry {
  id: string
  /** Order in which parents spoke: later words win. */
  sequence: number
  undone: boolean
}

/**
 * A person as a parent saw it when he spoke: its id, and faces that stood for it then. The faces are what makes a correction last: ids of
 * unnamed people may change from run to run, faces do not.
 */
export interface Grounded {
  personId: string
  anchors: readonly string[]
}

/** What a parent said. Each entry can be undone; what holds is a pure function of the entries that are not. */
export type LedgerEntry = Entry &
  (
    | { kind: 'name'; person: Grounded; name: string }
    | { kind: 'link'; person: Grounded; childId: string }
    | { kind: 'hide'; person: Grounded; hidden: boolean }
    | { kind: 'merge'; person: Grounded; into: Grounded }
    | { kind: 'split'; person: Grounded; newPersonId: string; faceIds: readonly string[] }
    /** `from` is the person that the face is taken away from, where that one must not follow it. */
    | { kind: 'confirm'; person: Grounded; faceId: string; from?: Grounded }
    | { kind: 'reject'; person: Grounded; faceId: string }
    /** No face of anyone: a picture on a wall, a pattern. */
    | { kind: 'reject'; person?: undefined; faceId: string }
    /** `alike` are the faces that stood together with the one in question. */
    | {
        kind: 'answer'
        faceId: string
        alike: readonly string[]
        answer: 'person'
        person: Grounded
        others: readonly Grounded[]
      }
    | {
        kind: 'answer'
        faceId: string
        alike: readonly string[]
        answer: 'neither' | 'not_sure'
        others: readonly Grounded[]
      }
  )

/** Name, child and visibility that parents gave a person. */
export interface Attributes {
  name?: string
  childId?: string
  hidden: boolean
  /** A parent said that this is none of the registered children. */
  noChild?: boolean
}

/** What the ledger demands of any partition. */
export interface Said {
  /** Face -> person that it is, by a parent's word about this very face. */
  confirmed: ReadonlyMap<string, string>
  /** Face -> person for which it stands: confirmed faces and anchors. */
  label: ReadonlyMap<string, string>
  /** Face -> people that it is not. */
  not: ReadonlyMap<string, ReadonlySet<string>>
  /** Faces of nobody. */
  nobody: ReadonlySet<string>
  /** Person -> the person it was merged into; only people that were merged. */
  mergedInto: ReadonlyMap<string, string>
  attributes: ReadonlyMap<string, Attributes>
  /** Faces that a parent took away from somebody. */
  rejected: ReadonlySet<string>
  /** Faces about which a parent was asked and said that he does not know. */
  unsure: ReadonlySet<string>
}

/** Follows merges to the person that stays; reads the map at the time of the call. */
export const rootIn =
  (into: ReadonlyMap<string, string>) =>
  (person: string): string => {
    let at = person
    for (let next = into.get(at); next !== undefined; next = into.get(at)) at = next
    return at
  }

/** Reads the ledger: entries in order, later over earlier, undone ones as if never said. */
export function readLedger(entries: readonly LedgerEntry[]): Said {
  const active = entries.filter(entry => !entry.undone).sort((a, b) => a.sequence - b.sequence)
  const into = new Map<string, string>()
  const root = rootIn(into)
  const confirmed = new Map<string, string>()
  const anchored = new Map<string, string>()
  const not = new Map<string, Set<string>>()
  const nobody = new Set<string>()
  const unsure = new Set<string>()
  const rejected = new Set<string>()
  const anchor = (person: Grounded): void => {
    for (const face of person.anchors) anchored.set(face, person.personId)
  }
  const isThis = (face: string, person: string): void => {
    confirmed.set(face, person)
    nobody.delete(face)
    unsure.delete(face)
    rejected.delete(face)
    const refused = not.get(face)
    if (refused) for (const p of refused) if (root(p) === root(person)) refused.delete(p)
  }
  const isNot = (face: string, person: string): void => {
    const refused = not.get(face)
    if (refused) refused.add(person)
    else not.set(face, new Set([person]))
    const was = confirmed.get(face)
    if (was !== undefined && root(was) === root(person)) confirmed.delete(face)
    const stood = anchored.get(face)
    if (stood !== undefined && root(stood) === root(person)) anchored.delete(face)
  }
  const attributes = new Map<string, Attributes>()
  const change = (person: string, set: (attributes: Attributes) => void): void => {
    const found = attributes.get(person) ?? { hidden: false }
    set(found)
    attributes.set(person, found)
  }
  for (const entry of active) {
    switch (entry.kind) {
      case 'name':
        anchor(entry.person)
        change(root(entry.person.personId), a => {
          if (entry.name) a.name = entry.name
          else delete a.name
        })
        break
      case 'link':
        anchor(entry.person)
        change(root(entry.person.personId), a => {
          if (entry.childId) a.childId = entry.childId
          else delete a.childId
          a.noChild = !entry.childId
        })
        break
      case 'hide':
        anchor(entry.person)
        change(root(entry.person.personId), a => (a.hidden = entry.hidden))
        break
      case 'merge': {
        anchor(entry.person)
        anchor(entry.into)
        const from = root(entry.person.personId)
        const to = root(entry.into.personId)
        if (from === to) break
        into.set(from, to)
        const mine = attributes.get(from)
        // The person that stays keeps what it has and takes over what it lacks.
        if (mine)
          change(to, a => {
            if (a.name === undefined && mine.name !== undefined) a.name = mine.name
            if (a.childId === undefined && mine.childId !== undefined) a.childId = mine.childId
          })
        break
      }
      case 'split':
        anchor(entry.person)
        for (const face of entry.faceIds) {
          isNot(face, entry.person.personId)
          isThis(face, entry.newPersonId)
        }
        break
      case 'confirm':
        anchor(entry.person)
        if (entry.from) {
          anchor(entry.from)
          isNot(entry.faceId, entry.from.personId)
        }
        isThis(entry.faceId, entry.person.personId)
        break
      case 'reject':
        if (entry.person) {
          anchor(entry.person)
          isNot(entry.faceId, entry.person.personId)
          rejected.add(entry.faceId)
        } else {
          nobody.add(entry.faceId)
          confirmed.delete(entry.faceId)
          anchored.delete(entry.faceId)
        }
        break
      case 'answer':
        for (const face of [entry.faceId, ...entry.alike]) {
          if (entry.answer === 'not_sure') unsure.add(face)
          else for (const other of entry.others) isNot(face, other.personId)
        }
        if (entry.answer !== 'not_sure') entry.others.forEach(anchor)
        if (entry.answer === 'person') {
          anchor(entry.person)
          isThis(entry.faceId, entry.person.personId)
        }
        break
    }
  }
  return resolve({ confirmed, anchored, not, nobody, rejected, unsure, into, root, attributes })
}

/** Follows merges to the people that stay, and lets a parent's word about one face win over what it stood for. */
function resolve(read: {
  confirmed: Map<string, string>
  anchored: Map<string, string>
  not: Map<string, Set<string>>
  nobody: Set<string>
  rejected: Set<string>
  unsure: Set<string>
  into: Map<string, string>
  root: (person: string) => string
  attributes: Map<string, Attributes>
}): Said {
  const { root, nobody } = read
  const confirmed = new Map<string, string>()
  const label = new Map<string, string>()
  for (const [face, person] of read.anchored) if (!nobody.has(face)) label.set(face, root(person))
  for (const [face, person] of read.confirmed) {
    if (nobody.has(face)) continue
    confirmed.set(face, root(person))
    label.set(face, root(person))
  }
  const not = new Map<string, Set<string>>()
  for (const [face, people] of read.not) {
    // Two people who were merged afterwards are one: the word about them as one person is the later one.
    const roots = new Set([...people].map(root))
    const own = confirmed.get(face)
    if (own !== undefined) roots.delete(own)
    if (roots.size) not.set(face, roots)
    const stood = label.get(face)
    if (stood !== undefined && roots.has(stood)) label.delete(face)
  }
  const mergedInto = new Map<string, string>()
  for (const person of read.into.keys()) mergedInto.set(person, root(person))
  const attributes = new Map<string, Attributes>()
  for (const [person, a] of read.attributes) if (root(person) === person) attributes.set(person, a)
  return { confirmed, label, not, nobody, mergedInto, attributes, rejected: read.rejected, unsure: read.unsure }
}
