import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  choice,
  ConfigError,
  describeConfig,
  flag,
  loadConfig,
  number,
  optionalText,
  optionTable,
  secret,
  text,
} from './index.js'

const schema = z.object({
  PORT: number({ help: 'Where it listens.', unit: 'port', min: 1, max: 65535 }),
  RETRIES: number({ help: 'How often.', unit: 'times', default: 3, min: 0, max: 10 }),
  KEY: secret({ help: 'Signs links.' }),
  LEVEL: choice(['info', 'debug'], { help: 'How much is said.', default: 'info' }),
  VERBOSE: flag({ help: 'More words.', default: false }),
  NAME: text({ help: 'Its name.', default: 'album' }),
  DATABASE: optionalText({ help: 'Where rows live.' }),
})

test('defaults are filled in, numbers and flags are read, an empty string counts as not set', () => {
  const config = loadConfig(schema, { PORT: '8080', KEY: 'abc', VERBOSE: 'yes', NAME: '' })
  expect(config).toMatchObject({ PORT: 8080, RETRIES: 3, LEVEL: 'info', VERBOSE: true, NAME: 'album' })
  expect(config.KEY.reveal()).toBe('abc')
})

test('every problem is named at once and no secret is shown', () => {
  try {
    loadConfig(schema, { PORT: '0', RETRIES: 'many', LEVEL: 'loud' })
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as ConfigError).problems.map(p => p.name)).toEqual(['PORT', 'RETRIES', 'KEY', 'LEVEL'])
    expect((error as ConfigError).message).toContain('KEY: is required and not set')
  }
})

test('a secret prints as stars everywhere, whatever it is', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{12,20}$/), value => {
      const config = loadConfig(schema, { PORT: '1', KEY: value, DATABASE: `postgres://me:${value}@host/db` })
      const printed = [
        describeConfig(schema, config),
        JSON.stringify(config.KEY),
        inspect(config.KEY),
        String(config.KEY),
      ]
      expect(printed.join()).not.toContain(value)
    }),
  )
})

test('the table for a README names default, range and unit', () => {
  expect(optionTable(schema)).toContain('| `RETRIES` | How often. | 3 | 0 to 10 times |')
  expect(optionTable(schema)).toContain('| `PORT` | Where it listens. | required | 1 to 65535 port |')
  expect(optionTable(schema)).toContain('| `DATABASE` | Where rows live. | not set |  |')
})
