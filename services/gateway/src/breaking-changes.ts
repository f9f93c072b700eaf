type Json = Record<string, unknown>

/**
 * What in `next` would break a client of `before`: operations, parameters' optionality, fields of answers and requests.
 * Additions are free. An empty list is what a test asks for.
 */
export function breakingChanges(before: Json, next: Json): string[] {
  const problems: string[] = []
  const old = { doc: before, problems }
  for (const [path, operations] of Object.entries(objectAt(before, 'paths')))
    for (const [method, operation] of Object.entries(operations as Json)) {
      const where = `${method.toUpperCase()} ${path}`
      const now = objectAt(next, 'paths', path, method)
      if (Object.keys(now).length === 0) {
        problems.push(`${where} is gone`)
        continue
      }
      compareOperation(where, operation as Json, now, old.doc, next, problems)
    }
  return problems
}

function compareOperation(where: string, was: Json, now: Json, before: Json, next: Json, problems: string[]): void {
  const parameters = (operation: Json) => (operation['parameters'] ?? []) as { name: string; required: boolean }[]
  for (const parameter of parameters(now)) {
    const known = parameters(was).find(p => p.name === parameter.name)
    if (parameter.required && known?.required !== true)
      problems.push(`${where}: parameter ${parameter.name} is required now`)
  }
  for (const parameter of parameters(was))
    if (!parameters(now).some(p => p.name === parameter.name))
      problems.push(`${where}: parameter ${parameter.name} is gone`)
  for (const [status, response] of Object.entries(objectAt(was, 'responses'))) {
    if (!status.startsWith('2') && !status.startsWith('3')) continue
    const current = objectAt(now, 'responses', status)
    if (Object.keys(current).length === 0) problems.push(`${where}: answers no ${status} any more`)
    else
      compareSchema(
        `${where} answer`,
        schemaOf(response as Json),
        schemaOf(current),
        'answer',
        before,
        next,
        problems,
        [],
      )
  }
  const body = objectAt(was, 'requestBody')
  const bodyNow = objectAt(now, 'requestBody')
  if (bodyNow['required'] === true && body['required'] !== true) problems.push(`${where}: a body is required now`)
  compareSchema(`${where} body`, schemaOf(body), schemaOf(bodyNow), 'request', before, next, problems, [])
}

const schemaOf = (holder: Json): Json => objectAt(holder, 'content', 'application/json', 'schema')

function compareSchema(
  where: string,
  was: Json,
  now: Json,
  side: 'answer' | 'request',
  before: Json,
  next: Json,
  problems: string[],
  seen: readonly string[],
): void {
  const ref = typeof was['$ref'] === 'string' ? was['$ref'] : undefined
  if (ref !== undefined && seen.includes(ref)) return
  const a = resolve(was, before)
  const b = resolve(now, next)
  if (Object.keys(a).length === 0) return
  const deeper = (name: string, x: unknown, y: unknown) =>
    compareSchema(
      `${where}.${name}`,
      x as Json,
      (y ?? {}) as Json,
      side,
      before,
      next,
      problems,
      ref ? [...seen, ref] : seen,
    )
  if (JSON.stringify(a['type']) !== JSON.stringify(b['type']) && a['type'] !== undefined)
    problems.push(`${where}: its type was ${JSON.stringify(a['type'])} and is ${JSON.stringify(b['type'])}`)
  const required = (schema: Json) => (schema['required'] ?? []) as string[]
  const properties = objectAt(a, 'properties')
  const current = objectAt(b, 'properties')
  for (const [name, property] of Object.entries(properties)) {
    if (!(name in current)) problems.push(`${where}.${name} is gone`)
    else deeper(name, property, current[name])
  }
  if (side === 'answer')
    for (const name of required(a)) {
      if (name in current && !required(b).includes(name)) problems.push(`${where}.${name} may be absent now`)
    }
  else
    for (const name of required(b)) {
      if (!required(a).includes(name)) problems.push(`${where}.${name} is required now`)
    }
  const values = a['enum'] as unknown[] | undefined
  const valuesNow = b['enum'] as unknown[] | undefined
  if (side === 'request' && valuesNow !== undefined) {
    const lost = (values ?? []).filter(value => !valuesNow.includes(value))
    if (values === undefined || lost.length > 0) problems.push(`${where}: takes fewer values than before`)
  }
  if (a['items'] !== undefined) deeper('[]', a['items'], b['items'])
}

function resolve(schema: Json, doc: Json): Json {
  const ref = schema['$ref']
  return typeof ref === 'string' ? objectAt(doc, ...ref.replace('#/', '').split('/')) : schema
}

function objectAt(value: unknown, ...path: string[]): Json {
  let here = value
  for (const step of path) here = (here as Json | undefined)?.[step]
  return typeof here === 'object' && here !== null ? (here as Json) : {}
}
