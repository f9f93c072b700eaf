import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Glyphs } from './glyphs.js'
import { drawText } from './text-layer.js'

const film = { width: 1280, height: 720 }
const glyphs = new Glyphs()

test('English, Japanese, accents and other scripts all have outlines', () => {
  for (const text of ['August 2026', '2026年8月11日', '夏の思い出', 'Łukasz é ő', 'Приве́т', 'Ελλάδα', 'Nguyễn']) {
    const { path, width } = glyphs.line(text, 40)
    expect(path.length).toBeGreaterThan(200)
    expect(width).toBeGreaterThan(text.length * 10)
  }
})

test('every digit and month is drawn whole at any size', async () => {
  for (let size = 20; size < 100; size += 0.7) {
    for (const text of ['0123456789', '年月日〜', 'January 2026'])
      expect(glyphs.line(text, size).path).toMatch(/^[MLQCZ0-9. -]+$/)
  }
  for (const text of ['2026年7月', 'July 2026']) {
    const picture = await drawText({ place: 'card', lines: [{ text, size: 0.1 }] }, film, glyphs)
    const { first, last } = inked(picture?.rgba ?? Buffer.alloc(0), picture?.width ?? 0)
    expect(last - first).toBeGreaterThan(glyphs.line(text, 72).width * 0.9)
  }
})

test('what no font has is left out instead of breaking the film', () => {
  expect(glyphs.line('a\u{1F600}b', 40).width).toBeCloseTo(glyphs.line('ab', 40).width, 5)
})

test('text stays inside 90 % of the picture, whatever its length', async () => {
  for (const text of [
    'A',
    'A very long title that a proud grandmother wrote in one breath about the whole summer of 2026',
    '夏'.repeat(80),
  ]) {
    const picture = await drawText({ place: 'card', lines: [{ text, size: 0.115 }] }, film, glyphs)
    const columns = inked(picture?.rgba ?? Buffer.alloc(0), picture?.width ?? 0)
    expect((picture?.x ?? 0) + columns.first).toBeGreaterThanOrEqual(0.05 * film.width - 2)
    expect((picture?.x ?? 0) + columns.last).toBeLessThanOrEqual(0.95 * film.width + 2)
  }
})

test('markup in a title is text', async () => {
  const picture = await drawText({ place: 'card', lines: [{ text: '<script>&amp;"\'', size: 0.1 }] }, film, glyphs)
  expect(picture?.width).toBeGreaterThan(100)
})

test('a machine without any font draws the same pixels', async () => {
  const code = `import { Glyphs } from './glyphs.js'; import { drawText } from './text-layer.js'; import { createHash } from 'node:crypto'
    const p = await drawText({ place: 'stamp', lines: [{ text: 'Aug 11, 2026', size: 0.05 }] }, { width: 1280, height: 720 }, new Glyphs()); console.log(createHash('sha256').update(p.rgba).digest('hex'))`
  const run = async (env: Record<string, string>): Promise<string> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', code.replaceAll("'./", `'${new URL('.', import.meta.url).href}`)],
      { env: { ...process.env, ...env } },
    )
    return stdout.trim()
  }
  expect(
    await run({ FONTCONFIG_FILE: '/dev/null', FONTCONFIG_PATH: '/nonexistent', XDG_DATA_HOME: '/nonexistent' }),
  ).toBe(await run({}))
})

/** First and last column that holds opaque white. */
function inked(rgba: Buffer, width: number): { first: number; last: number } {
  let first = width
  let last = 0
  for (let i = 0; i < rgba.length / 4; i++) {
    if (rgba[i * 4 + 3]! > 200 && rgba[i * 4]! > 200) {
      first = Math.min(first, i % width)
      last = Math.max(last, i % width)
    }
  }
  return { first, last }
}
