import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cacheFolder, missingFor } from '@keepsake/stack'
import { skipUnless } from '@keepsake/testing'
import { until } from '@keepsake/testing/until'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Household } from './clients.js'
import { makeMaterial, type Piece } from './material.js'
import { makePlan } from './plan.js'
import { runPlan } from './run.js'
import { readStores } from './stores.js'
import { Fleet, World } from './world.js'

/** KEEPSAKE_FAULT_SEEDS=11,12 and KEEPSAKE_FAULT_ITEMS=400 run others than CI's. */
const seeds = (process.env['KEEPSAKE_FAULT_SEEDS'] ?? '1').split(',').map(Number)
const items = Number(process.env['KEEPSAKE_FAULT_ITEMS'] ?? '200')
const windowMs = 90_000
const limitMs = 1_200_000

const cache = cacheFolder()
const missing = (['kafka', 'minio'] as const).flatMap(part => missingFor(part, cache))

skipUnless(missing.length === 0, missing.join(', ')).describe('a whole Keepsake on three brokers', () => {
  let home: string
  let world: World
  const say = (line: string) => console.log(line)
  const file = (name: string) => path.join(process.cwd(), '.cache', 'faults', `${name}.json`)

  beforeAll(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'keepsake-faults-'))
    world = await World.start({ home, items, say })
  }, 300_000)
  afterAll(async () => {
    await world?.close()
    if (home) rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }, 60_000)

  test.each(seeds)(
    'seed %i: everything goes wrong, and nothing is lost, doubled or shared',
    async seed => {
      const plan = makePlan({ seed, items, windowMs })
      const { violations } = await runPlan({ plan, file: file(`seed-${seed}`), say, world })
      expect(broken(violations), `play it again: npm run faults -- --history ${file(`seed-${seed}`)}`).toEqual({})
    },
    limitMs,
  )

  test(
    'a planted bug is reported: an offset that is committed before the effect loses what a killed worker had in hand',
    async () => {
      const kinds = ['kill a worker'] as const
      const sceneMs = { min: 1_000, max: 2_000 }
      const planned = makePlan({ seed: 5, items: 40, windowMs: 45_000, kinds, sceneMs, plant: 'commit-before-effect' })
      // All at once: there is always something in hand.
      const plan = { ...planned, actions: planned.actions.map(action => ({ ...action, atMs: 0 })) }
      const { violations } = await runPlan({ plan, file: file('planted'), say, world, compare: false, stillMs: 20_000 })
      expect(Object.keys(broken(violations))).toContain('every group has taken in every event')
    },
    limitMs,
  )

  describe('two gateways', () => {
    let fleet: Fleet
    let parent: Household
    let piece: Piece
    beforeAll(async () => {
      const [pieces] = await makeMaterial(path.join(home, 'material', 'two'), 2)
      piece = pieces[0] as Piece
      fleet = await Fleet.start(world, { name: 'gateways' })
      parent = new Household(0, fleet.gateways, pieces)
      await parent.begin()
    }, 180_000)
    afterAll(() => fleet?.close())

    const tus = { 'tus-resumable': '1.0.0' }
    let mediaId: string

    test('an upload begun through one is finished through the other after the first was killed', async () => {
      const bytes = new Uint8Array(await readFile(piece.path))
      const made = await parent.ask(0, 'POST', `${parent.base}/uploads`, {
        headers: { ...tus, 'upload-length': String(bytes.length), 'upload-metadata': `filename ${btoa(piece.name)}` },
      })
      expect(made.status).toBe(201)
      const at = made.headers.get('location') ?? ''
      const half = Math.floor(bytes.length / 2)
      const patch = (gateway: number, from: number, to: number) =>
        parent.ask(gateway, 'PATCH', at, {
          body: bytes.slice(from, to),
          headers: { ...tus, 'upload-offset': String(from), 'content-type': 'application/offset+octet-stream' },
        })
      expect((await patch(0, 0, half)).status).toBe(204)
      await fleet.process('gateway-1').kill()
      const head = await parent.ask(1, 'HEAD', at, { headers: tus })
      expect(head.headers.get('upload-offset')).toBe(String(half))
      const done = await patch(1, half, bytes.length)
      expect(done.status).toBe(204)
      mediaId = done.headers.get('keepsake-media-id') ?? ''
      fleet.process('gateway-1').start()
      await fleet.process('gateway-1').ready()

      const { media, digests } = await readStores(fleet)
      expect(media.map(item => item.id)).toEqual([mediaId])
      expect([...digests.values()]).toEqual([piece.sha256])
    })

    test('a comment is sent twice with one key to both while the first is killed: it is there once', async () => {
      const there = async () => (await parent.ask(1, 'GET', `${parent.base}/media/${mediaId}`)).status === 200
      await until(there, { deadlineMs: 60_000, everyMs: 100, what: 'the item in the album' })
      for (let round = 0; round < 5; round++) {
        const send = (gateway: number) =>
          parent.ask(gateway, 'POST', `${parent.base}/media/${mediaId}/comments`, {
            body: { text: `Round ${round}` },
            headers: { 'idempotency-key': `round-${round}` },
          })
        const [first, second] = [send(0), send(1)]
        await fleet.process('gateway-1').kill()
        const statuses = [(await first).status, (await second).status]
        expect([0, 201]).toContain(statuses[0]) // its answer may have died with it
        expect(statuses[1]).toBe(201)
        fleet.process('gateway-1').start()
        await fleet.process('gateway-1').ready()
        // And once more to the one that was killed: it answers what was answered.
        expect((await send(0)).status).toBe(201)
      }
      const { comments, catalogue } = await readStores(fleet)
      expect(comments.map(comment => comment.text).sort()).toEqual([0, 1, 2, 3, 4].map(round => `Round ${round}`))
      expect(catalogue[0]?.commentCount).toBe(5)
    })
  })
})

/** Only the invariants that are violated. */
const broken = (violations: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(violations).filter(([, found]) => found.length > 0))
