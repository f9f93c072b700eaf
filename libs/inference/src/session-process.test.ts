import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skipUnless } from '@keepsake/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openModelFilesOn, openModelProcesses, type ModelFile } from './open-inference.js'
import { startProcessOf } from './session-link.js'
import { SessionPool } from './session-pool.js'
import { inferenceContract } from './testing/inference-contract.js'
import { TINY_BYTES, TINY_SIZE, tinySumModel } from './testing/tiny-models.js'

inferenceContract('processes', openModelProcesses)

/** Chromium brings a Vulkan driver that computes on the CPU: slow, and all that WebGPU needs. */
const SOFTWARE_VULKAN = '/usr/lib/chromium/vk_swiftshader_icd.json'

describe('inference in a process of its own', () => {
  let dir: string
  let models: { sum: ModelFile }
  const drivers = process.env['VK_DRIVER_FILES']
  const olderName = process.env['VK_ICD_FILENAMES']

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keepsake-inference-'))
    const file = join(dir, 'sum.onnx')
    await writeFile(file, tinySumModel())
    models = { sum: { file, size: TINY_SIZE, outputs: { sum: 1 }, cost: 1, maxRows: 8 } }
  })
  afterEach(() => useDrivers(drivers, olderName))
  afterAll(() => rm(dir, { recursive: true }))
  const picture = (value: number) => new Uint8Array(TINY_BYTES).fill(value)
  const batch = (value: number) => ({ model: 'sum', rows: 1, pixels: picture(value), traces: [] })

  test('a crash fails its batch only, the next one starts the process again; three within a minute and nothing is started until it has passed', async () => {
    let now = 1_000_000
    const startSession = startProcessOf(new URL('./testing/crashing-session.js', import.meta.url))
    const pool = new SessionPool(1, { provider: 'cpu', models }, { startSession, now: () => now })
    const crash = async () => {
      const result = await pool.run(0, batch(255))
      expect(result).toMatchObject({ ok: false, broken: false })
      if (!result.ok) expect(result.error.message).toContain('SIGSEGV')
    }
    for (const seconds of [0, 10]) {
      now = 1_000_000 + seconds * 1000
      await crash()
      expect(pool.problem()).toBeUndefined()
      expect(await pool.run(0, batch(1))).toMatchObject({ ok: true, outputs: { sum: Float32Array.of(TINY_BYTES) } })
    }
    now = 1_059_999
    await crash()
    expect(pool.problem()).toContain('crashed 3 times')
    expect(await pool.run(0, batch(1))).toMatchObject({ ok: false, broken: true })
    expect(pool.liveWorkers()).toBe(0)
    now = 1_060_001
    expect(pool.problem()).toBeUndefined()
    expect(await pool.run(0, batch(1))).toMatchObject({ ok: true })
    await pool.release()
  })

  test('a picture that crashes the process is found, its neighbours are answered', async () => {
    const startSession = startProcessOf(new URL('./testing/crashing-session.js', import.meta.url))
    const inference = openModelProcesses(models, { workers: 1, startSession })
    const options = { deadline: Date.now() + 60_000 }
    // The first keeps the worker busy, so that the others wait and go together.
    const answers = await Promise.allSettled(
      [1, 255, 2].map(value => inference.run('sum', { rows: 1, data: picture(value) }, options)),
    )
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(answers[1]).toMatchObject({ reason: { reason: 'INFERENCE_FAILED' } })
    expect(inference.problem()).toBeUndefined()
    await inference.close()
  })

  test.each([
    ['cuda', 'libonnxruntime_providers_cuda.so'],
    ['webgpu', 'Vulkan driver'],
  ] as const)('%s that is not there is refused in one sentence that says so', async (provider, missing) => {
    const nowhere = join(dir, 'no-driver.json')
    useDrivers(nowhere, nowhere)
    await expect(openModelFilesOn(provider, models)).rejects.toMatchObject({
      reason: 'PROVIDER_UNUSABLE',
      message: expect.stringContaining(missing) as string,
    })
  })

  const vulkan = skipUnless(existsSync(SOFTWARE_VULKAN), "chromium's software Vulkan driver is not here")
  vulkan.test(
    'webgpu that is there is proven by a run, and then answers',
    async () => {
      useDrivers(SOFTWARE_VULKAN, SOFTWARE_VULKAN)
      const inference = await openModelFilesOn('webgpu', models)
      const { sum } = await inference.run('sum', { rows: 1, data: picture(3) }, { deadline: Date.now() + 60_000 })
      expect([...(sum ?? [])]).toEqual([3 * TINY_BYTES])
      await inference.close()
    },
    60_000,
  )
})

/** The Vulkan drivers that processes begun from now on see; the loader had another name for the variable before 1.3.207. */
function useDrivers(files: string | undefined, olderName: string | undefined): void {
  for (const [name, value] of Object.entries({ VK_DRIVER_FILES: files, VK_ICD_FILENAMES: olderName }))
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
}
