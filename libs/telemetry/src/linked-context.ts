import type { Context } from '@opentelemetry/api'

/**
 * A context that knows one value and asks the context around it for the others. OpenTelemetry's own copies a map and makes three functions
 * for each value that is set: a call has two or three values, and each is set once per call (deploy/bench rpc).
 */
export class LinkedContext implements Context {
  constructor(
    private readonly around: Context,
    private readonly key: symbol,
    private readonly value: unknown,
  ) {}

  getValue(key: symbol): unknown {
    // A loop, so that no depth is too deep.
    let here: Context = this // eslint-disable-line @typescript-eslint/no-this-alias
    while (here instanceof LinkedContext) {
      if (here.key === key) return here.value
      here = here.around
    }
    return here.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return new LinkedContext(key === this.key ? this.around : this, key, value)
  }

  deleteValue(key: symbol): Context {
    return this.setValue(key, undefined)
  }
}
