import { inspect } from 'node:util'

/** A value that never prints: `String()`, JSON and `util.inspect` all show `***`; only `reveal()` gives it away. */
export class Secret<T> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** The value itself, for the one call that needs it. */
  reveal(): T {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}
