import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODEL_NAMES } from './catalogue.js'
import { modelFile, prepareModels, verifyModels, type PrepareProgress } from './prepare.js'

describe('prepareModels', () => {
  let dir: string
  const prepare = async (): Promise<PrepareProgress[]> => {
    const progress: PrepareProgress[] = []
    await prepareModels(dir, step => progress.push(step))
    return progress
  }
  const convertedBy = (progress: PrepareProgress[]) => progress.filter(step => step.converted).map(step => step.model)

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keepsake-models-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  test('an empty folder is named as missing the first model', async () => {
    await expect(verifyModels(dir)).rejects.toMatchObject({
      reason: 'MODEL_MISSING',
      details: { file: 'ssd_mobilenetv1.onnx' },
    })
  })

  test('converts every model once and tells how far it is', async () => {
    const progress = await prepare()
    expect(convertedBy(progress)).toEqual(MODEL_NAMES)
    expect(progress.map(step => step.done)).toEqual(MODEL_NAMES.map((_, index) => index + 1))
    await verifyModels(dir)
    expect(convertedBy(await prepare())).toEqual([])
  }, 240_000)

  test('conversion gives the same bytes again', async () => {
    const before = await readFile(modelFile(dir, 'age_gender'))
    await rm(modelFile(dir, 'age_gender'))
    expect(convertedBy(await prepare())).toEqual(['age_gender'])
    expect(before.equals(await readFile(modelFile(dir, 'age_gender')))).toBe(true)
  })

  test('a file cut short and one with a flipped bit are named, and repaired by preparing again', async () => {
    const cut = modelFile(dir, 'face_recognition')
    await truncate(cut, (await stat(cut)).size - 100)
    await expect(verifyModels(dir)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'MODEL_CORRUPT',
      message: expect.stringContaining('face_recognition.onnx') as string,
    })
    const flipped = modelFile(dir, 'face_landmark_68')
    const bytes = await readFile(flipped)
    bytes[1_000] = (bytes[1_000] ?? 0) ^ 1
    await writeFile(flipped, bytes)
    await expect(verifyModels(dir)).rejects.toMatchObject({ details: { file: 'face_landmark_68.onnx' } })
    expect(convertedBy(await prepare())).toEqual(['face_landmark_68', 'face_recognition'])
    await verifyModels(dir)
  })

  test('a manifest that is no JSON is as good as none', async () => {
    await writeFile(join(dir, 'manifest.json'), '{"models":')
    await expect(verifyModels(dir)).rejects.toMatchObject({ reason: 'MODEL_MISSING' })
    expect(convertedBy(await prepare())).toEqual(MODEL_NAMES)
    await verifyModels(dir)
  }, 240_000)
})
