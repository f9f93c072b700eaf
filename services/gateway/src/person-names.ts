import { ifThere } from './clients.js'
import type { Input } from './endpoint.js'

type Asked = Pick<Input<unknown, unknown, unknown>, 'edge' | 'as'>

/** What the cluster service knows of a person's name. */
interface Named {
  readonly id: string
  readonly name?: string | undefined
  readonly childId?: string | undefined
}

/**
 * Names by person: what a parent called somebody, else the name of the child that the person is; nobody without either. Children are asked for only where one
 * is needed, and are left out while the family service is away.
 */
export async function personNames(asked: Asked, people: readonly Named[]): Promise<Map<string, string>> {
  const needed = people.some(person => !person.name && person.childId)
  const answer = needed
    ? await ifThere(asked.as(5000).then(options => asked.edge.clients.family.listChildren({}, options)))
    : undefined
  const children = new Map(answer?.children.map(child => [child.id, child.name]))
  return new Map(
    people.flatMap(person => {
      const name = person.name || children.get(person.childId ?? '')
      return name ? [[person.id, name] as const] : []
    }),
  )
}
