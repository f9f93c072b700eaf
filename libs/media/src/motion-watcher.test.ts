import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MotionWatcher } from './motion-watcher.js'
import { MotionMeter } from './motion.js'
import { writeSampleVideo } from './testing/sample-media.js'
import { packets, withVideo } from './video-input.js'

let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepsake-watcher-'))
  file = join(folder, 'moves.mp4')
  await writeSampleVideo(file, { frames: 150 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Shows a moving video of six seconds, 25 packets a second, and says what was measured and how many packets were looked at. */
function watch({ fromS = 0, now }: { fromS?: number; now?: () => number }) {
  return withVideo(file, 1e6, async input => {
    const motion = new MotionMeter()
    const watcher = await MotionWatcher.open({ ...input, startS: input.startS - fromS }, motion, now)
    let looked = 0
    for await (const packet of packets(input, input.video)) {
      await watcher.take(packet)
      if (!watcher.ended) looked++
    }
    watcher.close()
    return { looked, motion: motion.perSecond() }
  })
}

test('a video within the budget is looked at to its end', async () => {
  const { looked, motion } = await watch({ now: () => 0 })
  expect(looked).toBe(150)
  expect(motion).toHaveLength(6)
  for (const moving of motion) expect(moving).toBeGreaterThan(0.1)
})

test('looking that has taken a minute ends, and what was measured until then stays', async () => {
  let clock = 0
  // Half a second of work for each packet: two looks at the clock.
  const { looked, motion } = await watch({ now: () => (clock += 500) })
  expect(looked).toBe(120)
  expect(motion).toHaveLength(5)
  for (const moving of motion) expect(moving).toBeGreaterThan(0.1)
})

test('past the first hour nothing is decoded any more', async () => {
  const { looked, motion } = await watch({ fromS: 3598 })
  expect(looked).toBe(50)
  expect(motion).toHaveLength(3600)
  expect(motion.at(-1)).toBeGreaterThan(0.1)
})
