import { unprotectedTables } from '@keepsake/db'
import { testDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { schemaNames } from './services.js'

let database: Awaited<ReturnType<typeof testDatabase>>
beforeAll(async () => {
  database = await testDatabase([...schemaNames])
})
afterAll(() => database.close())

test('every table of every service that names a family is protected', async () => {
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
})
