import type { Api } from 'keepsake'
import type { Media } from '@keepsake/e2e/api-types'

/** What an album knows, without a single id: two runs over the same files must agree on it. */
export interface Snapshot {
  items: Record<
    string,
    { state: string; takenAt: string; faces: string[]; rating: number; comments: number; favourite: boolean }
  >
  /** Every person as the sorted names of their faces. */
  people: string[][]
  selection: string[]
}

/** Reads an album through the public API. File names stand for contents: the folder holds every content once. */
export async function snapshot(api: Api, familyId: string): Promise<Snapshot> {
  const base = `/v1/families/${familyId}`
  const names = new Map<string, string>()
  const items: Snapshot['items'] = {}
  const people = new Map<string, string[]>()
  for await (const listed of api.list<Media>(`${base}/media?limit=200`)) {
    const item = await api.get<Media>(`${base}/media/${listed.id}`)
    if (items[item.fileName]) throw new Error(`${item.fileName} is there twice`)
    names.set(item.id, item.fileName)
    const faces = (item.faces ?? []).map(face => ({
      personId: face.personId,
      name: `${item.fileName}#${[face.box.x, face.box.y, face.box.w, face.box.h].map(v => v.toFixed(3)).join(',')}`,
    }))
    for (const face of faces)
      if (face.personId) people.set(face.personId, [...(people.get(face.personId) ?? []), face.name])
    items[item.fileName] = {
      state: item.state,
      takenAt: item.takenAt ?? '',
      faces: faces.map(face => face.name).sort(),
      rating: Math.round((item.rating?.value ?? -1) * 1000) / 1000,
      comments: item.commentCount,
      favourite: item.favourite,
    }
  }
  const selection = await api.post<{ items: { mediaId: string }[] }>(`${base}/selections`, {
    purpose: 'prints',
    count: 25,
    period: { from: '1900-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' },
    lock: [],
    ban: [],
  })
  return {
    items,
    people: [...people.values()].map(faces => faces.sort()).sort((a, b) => (a[0] ?? '').localeCompare(b[0] ?? '')),
    selection: selection.items.map(pick => names.get(pick.mediaId) ?? pick.mediaId).sort(),
  }
}
