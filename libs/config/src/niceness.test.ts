import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const module = new URL('./niceness.js', import.meta.url).href
/** The niceness of a process that began at `first` and asked for `least`. */
const after = (first: number, least: number) =>
  Number(
    execFileSync('nice', [
      ...['-n', String(first), process.execPath, '--input-type=module', '-e'],
      `import { getPriority } from 'node:os'; import { beNice } from '${module}'; beNice(${least}); console.log(getPriority())`,
    ]).toString(),
  )
const own = () => Number(execFileSync('nice').toString())

test('a process steps back, and one that had done so further stays there', () => {
  expect(after(0, own() + 3)).toBe(own() + 3)
  expect(after(4, own() + 3)).toBe(own() + 4)
})
