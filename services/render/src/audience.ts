/** Who may see what. Pure. */
import type { Caller } from '@keepsake/rpc'

/** As in the album: everyone, parents, groups (ids of groups) or members (ids of members). Parents see everything. */
export interface Audience {
  kind: string
  ids: readonly string[]
}

/** What of a member decides what he sees. */
export interface Viewer {
  id: string
  role: string
  groupIds: readonly string[]
}

/** Whether a member may see something with this audience. */
export function sees(viewer: Viewer, audience: Audience): boolean {
  if (viewer.role === 'parent') return true
  if (audience.kind === 'everyone' || audience.kind === '') return true
  if (audience.kind === 'groups') return audience.ids.some(id => viewer.groupIds.includes(id))
  return audience.kind === 'members' && audience.ids.includes(viewer.id)
}

/** The caller as a viewer; a service sees what a parent sees. */
export function viewerOf(caller: Caller): Viewer {
  if (caller.kind === 'member') return { id: caller.memberId, role: caller.role, groupIds: caller.groupIds }
  return { id: '', role: caller.kind === 'service' ? 'parent' : 'none', groupIds: [] }
}

/**
 * Whether everyone who may see a movie may see an item in it. `members` is needed only where one of the two names groups or members;
 * without it only what holds for any family is said.
 */
export function covers(item: Audience, movie: Audience, members: readonly Viewer[]): boolean {
  if (item.kind === 'everyone' || movie.kind === 'parents') return true
  if (item.kind === 'parents' || movie.kind === 'everyone') return false
  return members.every(m => !sees(m, movie) || sees(m, item))
}
