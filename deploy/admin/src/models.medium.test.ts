import { sql } from '@keepsake/db'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from './models.js'

const A = '01934000-0000-7000-8000-00000000000a'
const B = '01934000-0000-7000-8000-00000000000b'
const NO = '01934000-0000-7000-8000-00000000000c'
const item = (n: number) => `019340aa-bbcc-7123-8abc-${String(n).padStart(12, '0')}`

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase(['face'])
  const db = database.db('face')
  for (const family of [A, B, NO])
    await db.family(family, async tx => {
      await tx.changed(
        sql`insert into face.families (family_id, consent, version) values (${family}, ${family !== NO}, 1)`,
      )
      for (let n = 1; n <= 4; n++)
        await tx.changed(sql`
          insert into face.items (family_id, media_id, version, pipeline, state) values (${family}, ${item(n)}, 1, 1, 'done')`)
    })
})
afterAll(() => database.close())

const ask = (action: string, family?: string, to?: string) => models(database.db('face'), { action, family, to })
const versionsOf = async (family: string) =>
  (
    await database.rows<{ pipeline: number; next_pipeline: number | null; switch_anyway: boolean }>(
      'select pipeline, next_pipeline, switch_anyway from face.families where family_id = $1',
      [family],
    )
  )[0]

test('an operator moves families, sees how far they are, accepts what fails, and goes back', async () => {
  expect(await ask('upgrade', A, '2')).toEqual(['1 family is moved to version 2.'])
  expect(await versionsOf(A)).toEqual({ pipeline: 1, next_pipeline: 2, switch_anyway: false })
  expect(await versionsOf(B)).toMatchObject({ next_pipeline: null })
  await database.db('face').family(A, async tx => {
    for (const [n, state] of [
      [1, 'done'],
      [2, 'failed'],
    ] as const)
      await tx.changed(sql`
        insert into face.items (family_id, media_id, version, pipeline, state, failure_code)
        values (${A}, ${item(n)}, 1, 2, ${state}, ${state === 'failed' ? 'FACE_GAVE_UP' : null})`)
  })
  const [line, all] = [await ask('status', A), await ask('status')]
  expect(line[0]).toContain('holds version 1: 4 items')
  expect(line[0]).toContain('version 2: 2 of 4 items (50 %)')
  expect(line[0]).toContain('1 failed only there')
  expect(all.at(-1)).toBe('3 families, 1 on the way.')
  await ask('switch', A)
  expect(await versionsOf(A)).toMatchObject({ switch_anyway: true })
  // Begun again, what failed is forgotten, so that it is tried again.
  await ask('upgrade', A, '2')
  expect((await ask('status', A))[0]).toContain('1 of 4 items')
  await database.rows(
    `update face.families set pipeline = 2, next_pipeline = null, former_pipeline = 1, switched_at = '2026-11-01' where family_id = $1`,
    [A],
  )
  expect((await ask('status', A))[0]).toContain('version 1 is kept until 2026-11-15')
  expect(await ask('rollback')).toEqual(['1 family is moved back to the version before.'])
  expect(await versionsOf(A)).toMatchObject({ pipeline: 2, next_pipeline: 1 })
})

test('a family without consent is not looked at anew, and what means nothing is said', async () => {
  expect(await ask('upgrade', NO, '2')).toEqual(['0 families are moved to version 2.'])
  await expect(ask('upgrade', B)).rejects.toThrow('--to')
  await expect(ask('upgrade', B, '0')).rejects.toThrow('--to')
  await expect(ask('sideways')).rejects.toThrow('status, upgrade, switch or rollback')
  await expect(ask('status', 'x; drop')).rejects.toThrow('no family')
})
