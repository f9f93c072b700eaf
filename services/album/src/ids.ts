import type { KeepsakeError } from '@keepsake/rpc'

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Whether a text is the id of anything at all. */
export const isId = (id: string): boolean => pattern.test(id)

/** The id, in lower case; what cannot be an id does not exist. */
export function existing(id: string, notFound: () => KeepsakeError): string {
  if (!isId(id)) throw notFound()
  return id.toLowerCase()
}

/** Ids in lower case, each once, in the order given. */
export function distinct(ids: readonly string[], notFound: () => KeepsakeError): string[] {
  return [...new Set(ids.map(id => existing(id, notFound)))]
}
