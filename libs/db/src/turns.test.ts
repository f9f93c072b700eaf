import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Turns, TurnTimeout } from './turns.js'

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

test('lets no more through than it may', async () => {
  const { begun, work, end } = row()
  const turns = new Turns(2)
  for (const name of ['a', 'b', 'c']) void turns.run('family', {}, work(name))
  await end('nobody')
  expect(begun).toEqual(['a', 'b'])
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  for (const name of ['a', 'c']) await end(name)
  void turns.run('family', {}, work('d'))
  void turns.run('family', {}, work('e'))
  await end('nobody')
  expect(begun.slice(3)).toEqual(['d', 'e'])
})

test("a family's single photo waits for one turn, not for another family's whole import", async () => {
  const { begun, work, end } = row()
  const turns = new Turns(1)
  for (const name of ['many-1', 'many-2', 'many-3', 'many-4']) void turns.run('many', {}, work(name))
  void turns.run('single', {}, work('single'))
  for (const name of ['nobody', 'many-1', 'many-2', 'single', 'many-3']) await end(name)
  expect(begun).toEqual(['many-1', 'many-2', 'single', 'many-3', 'many-4'])
})

test('who gives up leaves the row, and the row goes on', async () => {
  const { begun, work, end } = row()
  const turns = new Turns(1)
  const leaving = new AbortController()
  void turns.run('a', {}, work('first'))
  const left = turns.run('b', { signal: leaving.signal }, work('gone'))
  void turns.run('c', {}, work('last'))
  leaving.abort(new Error('changed my mind'))
  await expect(left).rejects.toThrow('changed my mind')
  await end('first')
  expect(begun).toEqual(['first', 'last'])
  await expect(turns.run('b', { signal: leaving.signal }, work('never'))).rejects.toThrow('changed my mind')
})

test('what fails gives its place back', async () => {
  const turns = new Turns(1)
  await expect(turns.run('a', {}, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await turns.run('a', {}, () => Promise.resolve('next'))).toBe('next')
})

test('one family leaves places to others, whatever it waits for', async () => {
  const { begun, work, end } = row()
  const turns = new Turns(3, 2)
  for (const name of ['many-1', 'many-2', 'many-3']) void turns.run('many', {}, work(name))
  await end('nobody')
  expect([begun, turns.waiting]).toEqual([['many-1', 'many-2'], 1])
  void turns.run('single', {}, work('single'))
  await end('nobody')
  expect(begun).toEqual(['many-1', 'many-2', 'single'])
  await end('single')
  expect(begun.length).toBe(3)
  await end('many-1')
  expect(begun).toEqual(['many-1', 'many-2', 'single', 'many-3'])
})

test('whose time is over is told so and leaves the row', async () => {
  const { begun, work, end } = row()
  const turns = new Turns(1)
  void turns.run('a', {}, work('first'))
  await expect(turns.run('b', { until: Date.now() }, work('late'))).rejects.toThrow(TurnTimeout)
  expect(turns.waiting).toBe(0)
  await end('first')
  void turns.run('c', {}, work('next'))
  await end('nobody')
  expect(begun).toEqual(['first', 'next'])
})

test('whatever comes and goes: never more than may be, in order within a family, and nobody is forgotten', async () => {
  const arrival = fc.record({
    family: fc.constantFrom('a', 'b', 'c'),
    steps: fc.integer({ min: 0, max: 3 }),
    leaves: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      async (arrivals, limit, perFamily) => {
        const turns = new Turns(limit, perFamily)
        const running: string[] = []
        const order: Record<string, number[]> = { a: [], b: [], c: [] }
        const results = await Promise.allSettled(
          arrivals.map(({ family, steps, leaves }, number) => {
            const control = new AbortController()
            const work = turns.run(family, { signal: control.signal }, async () => {
              running.push(family)
              order[family]?.push(number)
              expect(running.length).toBeLessThanOrEqual(limit)
              expect(running.filter(each => each === family).length).toBeLessThanOrEqual(perFamily)
              for (let step = 0; step < steps; step++) await Promise.resolve()
              running.splice(running.indexOf(family), 1)
            })
            if (leaves) control.abort(new Error('left'))
            return work
          }),
        )
        for (const numbers of Object.values(order)) expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
        const done = Object.values(order).flat().length
        const left = results.filter(result => result.status === 'rejected').length
        expect([done + left, turns.waiting, running.length]).toEqual([arrivals.length, 0, 0])
      },
    ),
  )
})
