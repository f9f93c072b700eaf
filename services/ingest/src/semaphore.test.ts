import { expect, test } from 'vitest'
import { Semaphore } from './semaphore.js'

/** Work that holds its place until it is let go, and notes when it began. */
function row() {
  const begun: string[] = []
  const letGo = new Map<string, () => void>()
  const work = (name: string) => () =>
    new Promise<void>(resolve => {
      begun.push(name)
      letGo.set(name, resolve)
    })
  const end = async (name: string) => {
    letGo.get(name)?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  return { begun, work, end }
}
const never = new AbortController().signal

test('lets no more through than it may', async () => {
  const { begun, work, end } = row()
  const semaphore = new Semaphore(2)
  for (const name of ['a', 'b', 'c']) void semaphore.run('family', never, work(name))
  await end('nobody')
  expect(begun).toEqual(['a', 'b'])
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  for (const name of ['a', 'c']) await end(name)
  void semaphore.run('family', never, work('d'))
  void semaphore.run('family', never, work('e'))
  await end('nobody')
  expect(begun.slice(3)).toEqual(['d', 'e'])
})

test("a family's single photo waits for one turn, not for another family's whole import", async () => {
  const { begun, work, end } = row()
  const semaphore = new Semaphore(1)
  for (const name of ['many-1', 'many-2', 'many-3', 'many-4']) void semaphore.run('many', never, work(name))
  void semaphore.run('single', never, work('single'))
  for (const name of ['many-1', 'many-2', 'single', 'many-3']) await end(name)
  expect(begun).toEqual(['many-1', 'many-2', 'single', 'many-3', 'many-4'])
})

test('who gives up leaves the row, and the row goes on', async () => {
  const { begun, work, end } = row()
  const semaphore = new Semaphore(1)
  const leaving = new AbortController()
  void semaphore.run('a', never, work('first'))
  const left = semaphore.run('b', leaving.signal, work('gone'))
  void semaphore.run('c', never, work('last'))
  leaving.abort(new Error('changed my mind'))
  await expect(left).rejects.toThrow('changed my mind')
  await end('first')
  expect(begun).toEqual(['first', 'last'])
  await expect(semaphore.run('b', leaving.signal, work('never'))).rejects.toThrow('changed my mind')
})

test('what fails gives its place back', async () => {
  const semaphore = new Semaphore(1)
  await expect(semaphore.run('a', never, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await semaphore.run('a', never, () => Promise.resolve('next'))).toBe('next')
})
