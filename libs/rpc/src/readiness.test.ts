import { logger } from '@keepsake/telemetry'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Readiness, workedOnce } from './readiness.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const log = logger('readiness-test')
const wrong = (sentence: string) => () => Promise.reject(new Error(sentence))
const fine = () => Promise.resolve()

test('everything that does not hold is named with its reason, what holds is not', async () => {
  const readiness = new Readiness({ database: wrong('away'), events: fine, models: wrong('not yet') }, { log })
  expect(await readiness.problems()).toEqual(['database: away', 'models: not yet'])
  expect(await new Readiness({ database: fine }, { log }).problems()).toEqual([])
  expect(await new Readiness({}, { log }).problems()).toEqual([])
})

test('a check that never answers is a problem of its own, and holds up no other', async () => {
  const readiness = new Readiness({ objects: () => new Promise(() => undefined), database: wrong('away') }, { log })
  const asked = readiness.problems()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await asked).toEqual(['objects: no answer within 2000 ms', 'database: away'])
})

test('many who ask at once cost one look, and a yes is kept for a second', async () => {
  const database = vi.fn(fine)
  const readiness = new Readiness({ database }, { log })
  await Promise.all(Array.from({ length: 20 }, () => readiness.problems()))
  await readiness.problems()
  expect(database).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1_001)
  await readiness.problems()
  expect(database).toHaveBeenCalledTimes(2)
})

test('health follows by itself, and is told and logged at changes only', async () => {
  let problem = 'starting'
  const changed = vi.fn()
  const warn = vi.spyOn(log, 'warn').mockClear()
  const readiness = new Readiness({ models: async () => void (problem && (await wrong(problem)())) }, { log, changed })
  readiness.watch()
  await vi.advanceTimersByTimeAsync(3_000)
  expect(changed).not.toHaveBeenCalled()
  problem = ''
  await vi.advanceTimersByTimeAsync(500)
  expect(changed.mock.calls).toEqual([[true]])
  expect(warn, 'a start that goes as expected').not.toHaveBeenCalled()
  problem = 'gone'
  await vi.advanceTimersByTimeAsync(20_000)
  expect(changed.mock.calls).toEqual([[true], [false]])
  expect(warn.mock.calls).toEqual([[{ problems: ['models: gone'] }, 'not ready']])
  readiness.stop()
})

test('what is not ready a minute after its start is warned of, once for each problem', async () => {
  let problems = { database: 'away', models: 'not yet' }
  const warn = vi.spyOn(log, 'warn').mockClear()
  const check = (name: keyof typeof problems) => async () => void (problems[name] && (await wrong(problems[name])()))
  const readiness = new Readiness({ database: check('database'), models: check('models') }, { log })
  readiness.watch()
  await vi.advanceTimersByTimeAsync(59_000)
  expect(warn).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(warn.mock.calls).toEqual([[{ problems: ['database: away', 'models: not yet'] }, 'not ready']])
  problems = { database: '', models: 'not yet' }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(warn.mock.calls.slice(1)).toEqual([[{ problems: ['models: not yet'] }, 'not ready']])
  readiness.stop()
})

test('what stops is not ready, whatever its checks say, and asks them no more', async () => {
  const database = vi.fn(fine)
  const changed = vi.fn()
  const readiness = new Readiness({ database }, { log, changed })
  readiness.watch()
  await vi.advanceTimersByTimeAsync(10)
  readiness.stop()
  const looks = database.mock.calls.length
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await readiness.problems()).toEqual(['stopping'])
  expect(database).toHaveBeenCalledTimes(looks)
  expect(changed.mock.calls).toEqual([[true]])
})

test('what must work once is tried beside the probes, again after a failure, and never again when it has worked', async () => {
  let finish: { resolve: () => void; reject: (error: Error) => void } | undefined
  const attempt = vi.fn(() => new Promise<void>((resolve, reject) => (finish = { resolve, reject })))
  const check = workedOnce(attempt)
  const asked = async () => {
    const answer = check().then(
      () => 'ready',
      (error: Error) => error.message,
    )
    await vi.advanceTimersByTimeAsync(600)
    return answer
  }
  expect(await asked()).toBe('not yet')
  expect(await asked()).toBe('not yet')
  expect(attempt).toHaveBeenCalledTimes(1)
  finish?.reject(new Error('no such bucket'))
  await vi.advanceTimersByTimeAsync(0)
  expect(await asked()).toBe('no such bucket')
  expect(attempt).toHaveBeenCalledTimes(2)
  finish?.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect([await asked(), await asked()]).toEqual(['ready', 'ready'])
  expect(attempt).toHaveBeenCalledTimes(2)
})
