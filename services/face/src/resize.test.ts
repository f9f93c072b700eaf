import { expect, test } from 'vitest'
import { Picture } from './picture.js'
import { resize } from './resize.js'

/** A picture whose red goes from 0 at the left to 240 at the right, green likewise from top to bottom. */
function ramps(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      data.set([(240 * (x + 0.5)) / width, (240 * (y + 0.5)) / height, 7], (y * width + x) * 3)
  return new Picture({ data, width, height })
}

test.each([
  [1600, 1200, 512, 384],
  [1037, 733, 512, 362],
  [600, 900, 71, 107],
  [100, 80, 512, 410],
  [3, 2000, 1, 512],
])('%ix%i becomes %ix%i without moving anything', (width, height, newWidth, newHeight) => {
  const { data, ...size } = resize(ramps(width, height), newWidth, newHeight)
  expect(size).toEqual({ width: newWidth, height: newHeight })
  for (const [x, y] of [
    [0, 0],
    [newWidth >> 1, newHeight >> 1],
    [newWidth - 1, newHeight - 1],
  ] as const) {
    const at = (y * newWidth + x) * 3
    // At the rim the filter has only one side to look at: a pixel's worth of the ramp, of source or target, is allowed.
    const allowed = (source: number, target: number) => 2 + 240 / Math.min(source, target)
    expect(Math.abs((data[at] as number) - (240 * (x + 0.5)) / newWidth)).toBeLessThan(allowed(width, newWidth))
    expect(Math.abs((data[at + 1] as number) - (240 * (y + 0.5)) / newHeight)).toBeLessThan(allowed(height, newHeight))
    expect(data[at + 2]).toBe(7)
  }
})
