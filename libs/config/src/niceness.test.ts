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

test('a process steps back with every thread that it has already', () => {
  const program = `
    import { readdirSync, readFileSync } from 'node:fs'
    import { readFile } from 'node:fs/promises'
    import { beNiceAltogether } from '${module}'
    await Promise.all(Array.from({ length: 8 }, () => readFile('/proc/self/stat'))) // Node's pool is at work by now
    beNiceAltogether(${own() + 3})
    const stats = readdirSync('/proc/self/task').map(thread => readFileSync('/proc/self/task/' + thread + '/stat', 'latin1'))
    console.log(JSON.stringify(stats.map(stat => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))))`
  const found = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', program]).toString(),
  ) as number[]
  expect(found.length).toBeGreaterThan(4)
  expect(new Set(found)).toEqual(new Set([own() + 3]))
})
