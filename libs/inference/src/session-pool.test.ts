import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { TINY_BYTES, TINY_SIZE, tinySumModel } from './testing/tiny-models.js'

test.each(['openModelFiles', 'openModelProcesses'])(
  '%s: a program whose first deed is a run waits for the answer, and ends by itself afterwards',
  async open => {
    const home = await mkdtemp(path.join(tmpdir(), 'keepsake-first-'))
    try {
      const file = path.join(home, 'sum.onnx')
      await writeFile(file, tinySumModel())
      const models = { sum: { file, size: TINY_SIZE, outputs: { sum: 1 }, cost: 1, maxRows: 8 } }
      const module = new URL('./open-inference.js', import.meta.url).href
      const program = `
      import { ${open} } from ${JSON.stringify(module)}
      const input = { rows: 1, data: new Uint8Array(${TINY_BYTES}).fill(1) }
      const inference = ${open}(${JSON.stringify(models)}, { workers: 1, idleReleaseMs: 3_600_000 })
      console.log((await inference.run('sum', input, { deadline: Date.now() + 60_000 })).sum[0])`
      await writeFile(path.join(home, 'program.mjs'), program)
      const { stdout } = await promisify(execFile)(process.execPath, [path.join(home, 'program.mjs')], {
        timeout: 60_000,
      })
      expect(stdout.trim()).toBe(String(TINY_BYTES))
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  },
)

test('the runtime keeps no diary for its maker: nothing is written beside the home, and nothing is there to be sent', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'keepsake-quiet-'))
  try {
    const file = path.join(home, 'sum.onnx')
    await writeFile(file, tinySumModel())
    const models = { sum: { file, size: TINY_SIZE, outputs: { sum: 1 }, cost: 1, maxRows: 8 } }
    const module = new URL('./open-inference.js', import.meta.url).href
    const program = `
      const { openModelFiles } = await import(${JSON.stringify(module)})
      const inference = openModelFiles(${JSON.stringify(models)}, { workers: 1, idleReleaseMs: 60_000 })
      const input = { rows: 1, data: new Uint8Array(${TINY_BYTES}).fill(1) }
      console.log((await inference.run('sum', input, { deadline: Date.now() + 60_000 })).sum[0])
      await inference.close()`
    // As at a family's: onnxruntime is silent by itself where it believes to be tested.
    const env = { PATH: process.env['PATH'], HOME: home }
    await writeFile(path.join(home, 'program.mjs'), program)
    const { stdout } = await promisify(execFile)(process.execPath, [path.join(home, 'program.mjs')], { env })
    expect(stdout.trim()).toBe(String(TINY_BYTES))
    expect(await readdir(home)).toEqual(['program.mjs', 'sum.onnx'])
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})
