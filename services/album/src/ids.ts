import { isId } from '@keepsake/db'
import type { KeepsakeError } from '@keepsake/rpc'

/** The id, in lower case; what cannot be an id does not exist. */
export function existing(id: string, notFound: () => KeepsakeError): string {
  if (!isId(id)) throw notFound()
  return id.toLowerCase()
}

/** Ids in lower case, each once, in the order given. */
export function distinct(ids: readonly string[], notFound: () => KeepsakeError): string[] {
  return [...new Set(ids.map(id => existing(id, notFound)))]
}
