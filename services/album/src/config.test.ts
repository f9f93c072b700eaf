import { readFile } from 'node:fs/promises'
import { optionTable } from '@keepsake/config'
import { expect, test } from 'vitest'
import { albumConfig } from './config.js'

test('the README tells of every option as it is declared', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(optionTable(albumConfig))
})
