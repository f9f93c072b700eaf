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
    return key === this.key ? this.value : this.around.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return new LinkedContext(this, key, value)
  }

  deleteValue(key: symbol): Context {
    return new LinkedContext(this, key, undefined)
  }
}
