import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { consentStep, consentTextVersion } from './consent.js'

test.each([
  [undefined, null, true, 'ask', undefined],
  [undefined, null, false, 'leave', /nobody could be asked.*no answer is recorded/],
  [undefined, false, true, 'leave', /a parent has said no/],
  [undefined, true, false, 'leave', undefined],
  [true, null, false, 'give', undefined],
  [true, false, false, 'give', undefined],
  [true, true, false, 'leave', undefined],
  [false, null, true, 'leave', /no answer is recorded/],
  [false, false, false, 'leave', /without faces/],
] as const)('option %s, decided %s, terminal %s: %s', (option, decided, interactive, what, says) => {
  const step = consentStep({ option, decided, interactive })
  expect(step.do).toBe(what)
  if (says === undefined) expect(step.say).toBeUndefined()
  else expect(step.say).toMatch(says)
})

test('--no-faces never takes consent back, with or without a terminal, and says how that is done', () => {
  for (const interactive of [true, false]) {
    const step = consentStep({ option: false, decided: true, interactive })
    expect(step.do).toBe('leave')
    expect(step.say).toMatch(/does not take that back.*in the settings/)
  }
})

test('the web app asks under the same version of the text', async () => {
  const web = new URL('../../../services/gateway/web/src/parts/consent.tsx', import.meta.url)
  expect(await readFile(web, 'utf8')).toContain(`consentTextVersion = '${consentTextVersion}'`)
})
