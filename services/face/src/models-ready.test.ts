import { expect, test } from 'vitest'
import { modelsReady } from './models-ready.js'

const shapes = { face_recognition: { size: 1, outputs: { embedding: 2 } } }

test('ready means that each size of batch has run, and that workers do not crash again and again', async () => {
  const rows: number[] = []
  let canRun = false
  let problem: string | undefined
  const ready = modelsReady(
    {
      run: (_model, input) => {
        if (!canRun) return Promise.reject(new Error('the model cannot be opened'))
        rows.push(input.rows)
        return Promise.resolve({ embedding: new Float32Array(2 * input.rows) })
      },
      problem: () => problem,
    },
    shapes,
    [1, 4],
  )
  await expect(ready()).rejects.toThrow('cannot be opened')
  canRun = true
  await ready()
  await ready()
  expect(rows).toEqual([1, 4])
  problem = 'the models crashed 3 times within a minute'
  await expect(ready()).rejects.toThrow('crashed 3 times')
  problem = undefined
  await ready()
})
