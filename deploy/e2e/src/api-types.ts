/** The fields of the public API that the suites read. */
export interface Family {
  id: string
  name: string
  plan: string
  role: string
}

export interface Media {
  id: string
  fileName: string
  kind: string
  state: 'pending' | 'ready' | 'failed'
  stateReason?: { code: string; message: string }
  takenAt?: string
  takenAtSource?: string
  takenAtPrecision?: string
  place?: { city?: string; region?: string; country?: string }
  width: number
  height: number
  duration?: number
  description?: string
  favourite: boolean
  commentCount: number
  personIds: string[]
  audience: { kind: string; ids?: string[] }
  faces?: { id: string; box: { x: number; y: number; w: number; h: number }; personId?: string; age?: number }[]
  rating?: { value: number; parts: { name: string; points: number; reason: string }[] }
}

export interface Person {
  id: string
  name?: string
  childId?: string
  hidden: boolean
  faceCount: number
}

export interface Slot {
  mediaId?: string
  kind?: string
  start: number
  duration: number
  in?: number
  framing?: { start: Rectangle; end: Rectangle }
  transition: string
  reason: string
}

export interface Rectangle {
  x: number
  y: number
  w: number
  h: number
}

export interface Movie {
  id: string
  status: string
  statusReason?: { code: string; message: string }
  published: boolean
  duration: number
  url?: string
  posterUrl?: string
  storyboard: Slot[]
}

export interface Processing {
  items: { total: number; ready: number; pending: number; failed: number }
  stages: Record<string, { done: number; pending: number; failed: number } | undefined>
}
