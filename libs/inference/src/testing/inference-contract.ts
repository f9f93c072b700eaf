import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Inference } from '../inference.js'
import type { ModelFile } from '../open-inference.js'
import { warmUp } from '../warm-up.js'
import { TINY_BYTES, TINY_SIZE, tinyPoisonableModel, tinySumModel } from './tiny-models.js'

/** Models that the contract runs on. `broken` is a file that is no model. */
export type ContractModel = 'sum' | 'poisonable' | 'broken'

/** Opens the adapter under test. `idleReleaseMs`: see the adapter; `maxQueuedCost`: work that may wait. */
export type OpenAdapter = (
  models: Readonly<Record<ContractModel, ModelFile>>,
  options: { workers: number; idleReleaseMs: number; maxQueuedCost?: number },
) => Inference<ContractModel>

/** What every adapter of the Inference port must do, CPU or GPU. Call it in a test file with the adapter's constructor. */
export function inferenceContract(name: string, open: OpenAdapter): void {
  describe(`the inference contract: ${name}`, () => {
    let dir: string
    let inference: Inference<ContractModel> | undefined
    let models: Record<ContractModel, ModelFile>

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'keepsake-inference-'))
      const write = async (file: string, bytes: Uint8Array, outputs: Record<string, number>, cost = 1) => {
        await writeFile(join(dir, file), bytes)
        return { file: join(dir, file), size: TINY_SIZE, outputs, cost, maxRows: 8 }
      }
      models = {
        sum: await write('sum.onnx', tinySumModel(), { sum: 1 }),
        poisonable: await write('poisonable.onnx', tinyPoisonableModel(), { looked_up: TINY_BYTES }),
        broken: await write('broken.onnx', Buffer.from('this is no model'), { out: 1 }),
      }
    })
    afterEach(async () => {
      await inference?.close()
      inference = undefined
      await rm(dir, { recursive: true })
    })
    const start = (options: Partial<Parameters<OpenAdapter>[1]> = {}) =>
      (inference = open(models, { workers: 2, idleReleaseMs: 60_000, ...options }))
    const soon = () => ({ deadline: Date.now() + 30_000 })
    const filled = (...values: number[]) => ({
      rows: values.length,
      data: Uint8Array.from(values.flatMap(value => new Array<number>(TINY_BYTES).fill(value))),
    })

    test('answers each of many requests with its own rows', async () => {
      const adapter = start()
      const inputs = Array.from({ length: 40 }, (_, i) => Array.from({ length: 1 + (i % 3) }, (_, row) => i + row))
      const answers = await Promise.all(inputs.map(values => adapter.run('sum', filled(...values), soon())))
      expect(answers.map(({ sum }) => [...(sum ?? [])])).toEqual(inputs.map(values => values.map(v => v * TINY_BYTES)))
    })

    test('is warm when each model has answered once; one that cannot be opened, or answers another width, is told', async () => {
      const adapter = start()
      const { sum, poisonable, broken } = models
      await warmUp(adapter, { sum, poisonable })
      await expect(warmUp(adapter, { sum, broken })).rejects.toMatchObject({ reason: 'INFERENCE_STOPPED' })
      await expect(warmUp(adapter, { sum: { ...sum, outputs: { sum: 2 } } })).rejects.toThrow('1 values as sum, not 2')
    })

    test("leaves the caller's pixels alone", async () => {
      const input = filled(7)
      await start().run('sum', input, soon())
      expect([...input.data]).toEqual(new Array(TINY_BYTES).fill(7))
    })

    test('takes a request that is larger than a batch', async () => {
      const values = Array.from({ length: 20 }, (_, i) => i)
      const { sum } = await start().run('sum', filled(...values), soon())
      expect([...(sum ?? [])]).toEqual(values.map(value => value * TINY_BYTES))
    })

    test('a poison picture fails alone, its neighbours in the batch are answered', async () => {
      const adapter = start({ workers: 1 })
      const values = [0, 1, 2, 200, 3, 0, 1, 2, 3]
      const answers = await Promise.allSettled(values.map(value => adapter.run('poisonable', filled(value), soon())))
      const summary = answers.map(answer =>
        answer.status === 'fulfilled' ? answer.value.looked_up?.[0] : (answer.reason as { reason: string }).reason,
      )
      expect(summary).toEqual([10, 20, 30, 'INFERENCE_FAILED', 40, 10, 20, 30, 40])
    })

    test('a model that cannot be opened is UNAVAILABLE, the others go on', async () => {
      const adapter = start()
      await expect(adapter.run('broken', filled(1), soon())).rejects.toMatchObject({ reason: 'INFERENCE_STOPPED' })
      expect((await adapter.run('sum', filled(1), soon())).sum?.[0]).toBe(TINY_BYTES)
    })

    test('refuses pixels of the wrong size', async () => {
      const wrong = start().run('sum', { rows: 2, data: new Uint8Array(TINY_BYTES) }, soon())
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INFERENCE_INPUT' })
    })

    test('refuses at once what its queue cannot hold, and says when to come back', async () => {
      const adapter = start({ workers: 1, maxQueuedCost: 8 })
      const answers = await Promise.allSettled(Array.from({ length: 40 }, () => adapter.run('sum', filled(1), soon())))
      const rejected = answers.filter(answer => answer.status === 'rejected')
      expect(rejected.length).toBeGreaterThan(0)
      expect(rejected.length).toBeLessThan(40)
      expect(rejected[0]?.reason).toMatchObject({
        code: 'RESOURCE_EXHAUSTED',
        reason: 'INFERENCE_BUSY',
        retryable: true,
      })
    })

    test('refuses what would miss its deadline', async () => {
      const late = start().run('sum', filled(1), { deadline: Date.now() - 1 })
      await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    })

    test('cancels a request that waits', async () => {
      const adapter = start({ workers: 1 })
      const controller = new AbortController()
      const first = adapter.run('sum', filled(1), soon())
      const waiting = adapter.run('sum', filled(2), { ...soon(), signal: controller.signal })
      controller.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
      expect((await first).sum?.[0]).toBe(TINY_BYTES)
    })

    test('gives its memory back when idle, and starts again', async () => {
      const adapter = start({ idleReleaseMs: 20 })
      await adapter.run('sum', filled(1), soon())
      await vi.waitUntil(() => adapter.liveWorkers() === 0, { timeout: 10_000 })
      expect((await adapter.run('sum', filled(2), soon())).sum?.[0]).toBe(2 * TINY_BYTES)
    })

    test('closing finishes what runs and refuses the rest', async () => {
      const adapter = start({ workers: 1 })
      const answers = Array.from({ length: 30 }, (_, i) => adapter.run('sum', filled(i), soon()))
      const settled = Promise.allSettled(answers)
      await adapter.close()
      const [first, ...rest] = await settled
      expect(first?.status).toBe('fulfilled')
      expect(rest.every(answer => answer.status === 'fulfilled' || answer.reason.reason === 'INFERENCE_STOPPED')).toBe(
        true,
      )
      await expect(adapter.run('sum', filled(1), soon())).rejects.toMatchObject({ reason: 'INFERENCE_STOPPED' })
      expect(adapter.liveWorkers()).toBe(0)
    })
  })
}
