/** Who may see an item, or who will see a product: everyone, parents, groups or members (with their ids). */
export interface Audience {
  kind: string
  ids: readonly string[]
}

/** What deciding needs to know of a member. */
export interface Viewer {
  memberId: string
  role: string
  groupIds: readonly string[]
}

/** Whether one member may see an item. Parents see everything. */
export function mayView(item: Audience, viewer: Viewer): boolean {
  if (viewer.role === 'parent' || item.kind === 'everyone') return true
  if (item.kind === 'groups') return viewer.groupIds.some(id => item.ids.includes(id))
  return item.kind === 'members' && item.ids.includes(viewer.memberId)
}

/**
 * Whether all who will see a product may see the item. A group or everyone means also those who join later, so they are not resolved into
 * the members of today. An audience nobody knows is the narrowest.
 */
export function mayAllView(item: Audience, audience: Audience, members: readonly Viewer[]): boolean {
  if (item.kind === 'everyone' || audience.kind === 'parents') return true
  if (audience.kind === 'groups')
    return item.kind === 'groups' && audience.ids.length > 0 && audience.ids.every(id => item.ids.includes(id))
  if (audience.kind !== 'members') return false
  return (
    audience.ids.length > 0 &&
    audience.ids.every(id => {
      const member = members.find(m => m.memberId === id)
      return member !== undefined && mayView(item, member)
    })
  )
}
