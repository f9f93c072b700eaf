import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { declaredMetrics, metricsText } from '@keepsake/telemetry'
import { expect, test } from 'vitest'
import { openModelFiles } from './open-inference.js'
import { TINY_SIZE, tinySumModel } from './testing/tiny-models.js'
import { warmUp } from './warm-up.js'

test('a service that is warm emits every metric that is declared here', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-inference-'))
  const file = join(dir, 'sum.onnx')
  await writeFile(file, tinySumModel())
  const sum = { file, size: TINY_SIZE, outputs: { sum: 1 }, cost: 1, maxRows: 8 }
  const inference = openModelFiles({ sum }, { workers: 1 })
  try {
    await warmUp(inference, { sum }, [1, 4])
    const text = await metricsText()
    const names = declaredMetrics().filter(({ owner }) => owner === 'inference')
    expect(names.length).toBeGreaterThanOrEqual(8)
    const silent = names.filter(
      ({ name, kind }) =>
        !new RegExp(`^${name}${kind === 'histogram' ? '_count' : ''}(\\{.*\\})? [0-9.e+-]+$`, 'm').test(text),
    )
    expect(silent.map(({ name }) => name)).toEqual([])
    expect(text).toMatch(/^inference_warm_up_seconds\{model="sum"\} \d+\.\d+$/m)
  } finally {
    await inference.close()
    await rm(dir, { recursive: true })
  }
})
