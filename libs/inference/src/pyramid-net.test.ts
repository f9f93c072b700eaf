import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Inference } from './inference.js'
import { openModelFiles, type ModelFile } from './open-inference.js'
import { PYRAMID_SCALES, pyramidGuesses } from './pyramid-net.js'
import { writePyramidWays } from './testing/pyramid-graphs.js'

const SIZE = 320

describe('the joint graph of five scales', () => {
  let dir: string
  let joint: string
  let scales: string[]
  let inference: Inference<string>

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keepsake-pyramid-'))
    const ways = await writePyramidWays(dir, SIZE)
    joint = ways.joint[0]?.file ?? ''
    scales = ways.five.map(({ file }) => file)
    const model = (file: string, outputs: number): ModelFile => ({
      file,
      size: SIZE,
      outputs: { face_boxes: outputs * 4, face_scores: outputs },
      cost: 1,
      maxRows: 1,
    })
    inference = openModelFiles<string>(
      {
        joint: model(joint, pyramidGuesses(SIZE)),
        ...Object.fromEntries(
          scales.map((file, i) => [`scale ${i}`, model(file, pyramidGuesses(SIZE, PYRAMID_SCALES.slice(i, i + 1)))]),
        ),
      },
      { workers: 1 },
    )
  })
  afterAll(async () => {
    await inference.close()
    await rm(dir, { recursive: true })
  })

  test('answers what its scales answer by themselves, the smallest first', async () => {
    const data = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i * 7_919) % 251)
    const run = (model: string) => inference.run(model, { rows: 1, data }, { deadline: Date.now() + 60_000 })
    const together = await run('joint')
    const apart = await Promise.all(scales.map((_, i) => run(`scale ${i}`)))
    for (const output of ['face_boxes', 'face_scores'])
      expect([...(together[output] ?? [])]).toEqual(apart.flatMap(answer => [...(answer[output] ?? [])]))
  })

  test('holds its weights once', async () => {
    const bytes = await Promise.all([joint, ...scales].map(async file => (await stat(file)).size))
    const [whole = 0, ...parts] = bytes
    // The rest is what boxes start from, 28 bytes for each guess, and the nodes.
    expect(whole - Math.max(...parts)).toBeLessThan(28 * pyramidGuesses(SIZE) + 40_000)
    expect(whole).toBeLessThan(parts.reduce((sum, part) => sum + part, 0) / 3)
  })
})
