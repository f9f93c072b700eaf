import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { loadAgeGroupMeans } from './age-groups.js'
import { faceTable } from './face-table.js'
import { pairScore } from './score.js'
import { syntheticFaces } from './synthetic.js'

test('the shipped means load', () => {
  const means = loadAgeGroupMeans()
  expect(means?.child).toHaveLength(128)
  expect(means?.childBelowYears).toBe(20)
})

test('without the file pairs with a child are judged more strictly, not differently in kind', () => {
  expect(loadAgeGroupMeans('/nowhere/means.json')).toBeUndefined()
  const faces = syntheticFaces({ faces: 40, people: 4, seed: 9 })
  const adults = faceTable(faces)
  const children = faceTable(faces.map(f => ({ ...f, age: 6 })))
  for (let i = 1; i < 40; i++) expect(pairScore(children, 0, i)).toBeLessThan(pairScore(adults, 0, i))
})

test('a wrong file is named', () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'keepsake-')), 'means.json')
  writeFileSync(file, '{"child": [1]}')
  expect(() => loadAgeGroupMeans(file)).toThrow(file)
})
