import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryEnv } from './child-env.js'

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')

test('what runs before the build keeps memory as everything else does', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  const words = Object.entries(memoryEnv).map(([name, value]) => `${name}=${value}`)
  expect(scripts.start.split(' ').filter(word => word.startsWith('MALLOC_'))).toEqual(words)
  const bootstrap = [...read('deploy/bootstrap.mjs').matchAll(/^ {2}(MALLOC_\w+): '(\d+)',$/gm)]
  expect(Object.fromEntries(bootstrap.map(([, name, value]) => [name, value]))).toEqual(memoryEnv)
})
