import { describe, test } from 'vitest'

/**
 * Tests that need something this machine may lack: `skipUnless(chromium, 'chromium is not installed').test('…', …)`. Where it is missing they
 * are skipped and the reason stands in their name; with KEEPSAKE_REQUIRE=all they fail instead, so CI cannot skip by accident.
 */
export function skipUnless(condition: unknown, reason: string): { test: typeof test; describe: typeof describe } {
  if (condition) return { test, describe }
  if (process.env['KEEPSAKE_REQUIRE'] === 'all') {
    test(`required here: ${reason}`, () => {
      throw new Error(`KEEPSAKE_REQUIRE=all and ${reason}`)
    })
  }
  const named = (name: string | ((...args: never[]) => unknown)) =>
    `${typeof name === 'string' ? name : name.name} (skipped: ${reason})`
  const skipTest = (name: string | (() => unknown)) => test.skipIf(true)(named(name), () => undefined)
  const skipDescribe = (name: string | (() => unknown), ...rest: unknown[]) => {
    const body = rest.find(part => typeof part === 'function') as (() => void) | undefined
    describe.skipIf(true)(named(name), body ?? (() => undefined))
  }
  return {
    test: Object.assign(skipTest, {
      each: () => skipTest,
      concurrent: skipTest,
      sequential: skipTest,
    }) as unknown as typeof test,
    describe: Object.assign(skipDescribe, { each: () => skipDescribe }) as unknown as typeof describe,
  }
}
