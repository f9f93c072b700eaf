/** A query with its parameters kept apart. Made by the `sql` tag only, so text from outside never becomes SQL. */
export class Sql {
  /** @internal */
  constructor(
    readonly strings: readonly string[],
    readonly values: readonly unknown[],
  ) {}

  /** Postgres' form: text with $1, $2, … and the values in that order. */
  toQuery(): { text: string; values: unknown[] } {
    let text = this.strings[0] ?? ''
    this.values.forEach((_, i) => {
      text += `$${i + 1}${this.strings[i + 1] ?? ''}`
    })
    return { text, values: this.values.map(parameter) }
  }
}

/** A value that is sent as JSON: arrays would else become Postgres arrays. */
class Json {
  constructor(readonly value: unknown) {}
}

function parameter(value: unknown): unknown {
  if (value === undefined) return null
  if (value instanceof Json) return JSON.stringify(value.value)
  return value
}

function tag(strings: TemplateStringsArray, ...values: unknown[]): Sql {
  const texts: string[] = [strings[0] ?? '']
  const flat: unknown[] = []
  const append = (text: string) => (texts[texts.length - 1] += text)
  values.forEach((value, i) => {
    if (value instanceof Sql) {
      append(value.strings[0] ?? '')
      value.values.forEach((inner, j) => {
        flat.push(inner)
        texts.push(value.strings[j + 1] ?? '')
      })
    } else {
      flat.push(value)
      texts.push('')
    }
    append(strings[i + 1] ?? '')
  })
  return new Sql(texts, flat)
}

/**
 * `` sql`select … where id = ${id}` ``: every `${value}` becomes a parameter, every `${sql`…`}` is spliced in. Arrays are sent as
 * Postgres arrays (`= any(${ids})`), undefined as null. There is no way to splice in plain text.
 */
export const sql = Object.assign(tag, {
  /** Fragments with a separator between them; nothing at all for an empty list. */
  join(parts: readonly Sql[], separator: Sql = tag`, `): Sql {
    return parts.reduce((all, part, i) => (i === 0 ? part : tag`${all}${separator}${part}`), sql.empty)
  },
  /** No text, no parameters. */
  empty: new Sql([''], []),
  /** A parameter that is sent as JSON. */
  json: (value: unknown): unknown => new Json(value),
})
