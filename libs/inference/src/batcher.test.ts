import { metricsText, withFamily, withTrace } from '@keepsake/telemetry'
import { expect, test } from 'vitest'
import { Batcher } from './batcher.js'
import type { BatchInput, BatchResult, Executor } from './session-pool.js'

const models = {
  one: { size: 1, outputs: { out: 3 }, cost: 10, maxRows: 1 },
  eight: { size: 1, outputs: { out: 3 }, cost: 1, maxRows: 8 },
}

/** Answers each picture with its own bytes, one batch at a time, when it is told to. */
class ByHand implements Executor {
  readonly batches: { rows: number; pixels: number[] }[] = []
  private finish: (() => void) | undefined

  idle() {
    return this.finish ? [] : [{ id: 0, loaded: [] }]
  }
  run(_worker: number, { rows, pixels }: BatchInput): Promise<BatchResult> {
    this.batches.push({ rows, pixels: [...pixels] })
    return new Promise<BatchResult>(resolve => {
      this.finish = () => {
        this.finish = undefined
        resolve({ ok: true, outputs: { out: Float32Array.from(pixels) }, runMs: 10 })
      }
    })
  }
  /** Ends the batch that runs. */
  async step(): Promise<void> {
    this.finish?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  release = () => Promise.resolve()
  liveWorkers = () => 0
  problem = () => undefined
}

const open = (more: Partial<ConstructorParameters<typeof Batcher<keyof typeof models>>[0]> = {}) => {
  const executor = new ByHand()
  const batcher = new Batcher({ models, executor, workers: 1, idleReleaseMs: 60_000, ...more })
  return { executor, batcher }
}
const picture = (value: number, rows = 1) => ({ rows, data: new Uint8Array(3 * rows).fill(value) })
const later = () => ({ deadline: Date.now() + 600_000 })

test("one picture of another family runs next, however many are queued, and the caller's family is known by itself", async () => {
  const { executor, batcher } = open()
  const flood = Array.from({ length: 1_000 }, () => batcher.run('one', picture(1), { ...later(), family: 'many' }))
  const settled = Promise.allSettled(flood)
  const other = withTrace({}, () => withFamily('other', () => batcher.run('one', picture(2), later())))
  await executor.step()
  expect(executor.batches[1]?.pixels).toEqual([2, 2, 2])
  await executor.step()
  expect([...((await other)['out'] ?? [])]).toEqual([2, 2, 2])
  const closing = batcher.close()
  await executor.step()
  await closing
  await settled
})

test('a request that is refused because of the queue hears when to come back, and is counted by its reason', async () => {
  const { executor, batcher } = open({ maxQueuedCost: 100 })
  // Other tests of this process count too.
  const refused = async (reason: string) =>
    Number(new RegExp(`inference_refused_total\\{reason="${reason}"\\} (\\d+)`).exec(await metricsText())?.[1])
  const before = await refused('FAMILY_SHARE')
  const answers = Array.from({ length: 30 }, () => batcher.run('one', picture(1), { ...later(), family: 'many' }))
  const settled = Promise.allSettled(answers)
  await expect(answers[29]).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'INFERENCE_BUSY' })
  // Of the ten that may wait, seven of one family; half of them take 35 ms.
  await expect(answers[29]).rejects.toMatchObject({ details: { retry_after_ms: '35' } })
  const hurried = batcher.run('one', picture(2), { deadline: Date.now() + 15, family: 'other' })
  await expect(hurried).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' })
  expect((await refused('FAMILY_SHARE')) - before).toBe(22)
  expect(await refused('WAIT_TOO_LONG')).toBeGreaterThanOrEqual(1)
  const closing = batcher.close()
  await executor.step()
  await closing
  expect((await settled).filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a cancelled request is not run', async () => {
  const { executor, batcher } = open()
  const controller = new AbortController()
  const first = batcher.run('eight', picture(1), later())
  const second = batcher.run('eight', picture(2), { ...later(), signal: controller.signal })
  const third = batcher.run('eight', picture(3), later())
  controller.abort()
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED' })
  await executor.step()
  await executor.step()
  await Promise.all([first, third])
  expect(executor.batches.map(({ pixels }) => pixels[0])).toEqual([1, 3])
  await batcher.close()
})

test('batches are padded to the buckets of a GPU, what is larger than all of them goes in parts, and each gets its own rows', async () => {
  const { executor, batcher } = open({ buckets: [1, 4, 8] })
  const values = (from: number, rows: number) => Uint8Array.from({ length: 3 * rows }, (_, i) => from + i)
  const few = batcher.run('eight', { rows: 1, data: values(1, 1) }, later())
  const many = batcher.run('eight', { rows: 10, data: values(10, 10) }, later())
  const three = batcher.run('eight', { rows: 3, data: values(50, 3) }, later())
  for (let i = 0; i < 4; i++) await executor.step()
  expect(executor.batches.map(({ rows }) => rows)).toEqual([1, 8, 8])
  expect(executor.batches[2]?.pixels.slice(15)).toEqual(new Array(9).fill(0))
  expect([...((await few)['out'] ?? [])]).toEqual([...values(1, 1)])
  expect([...((await many)['out'] ?? [])]).toEqual([...values(10, 10)])
  expect([...((await three)['out'] ?? [])]).toEqual([...values(50, 3)])
  await batcher.close()
})
