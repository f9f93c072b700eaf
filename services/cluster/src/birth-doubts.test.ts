import { expect, test } from 'vitest'
import { birthDoubts } from './birth-doubts.js'
import type { Group } from './partition.js'
import type { PersonView } from './people.js'
import { YEAR } from './year.js'

const born = Date.UTC(2016, 4, 1)
const view = { id: 'p', childId: 'kid' } as PersonView
const child = { id: 'kid', birth: born }

/** A person who is so old in `count` pictures of the years from 3 to 7, and looks `off` years older. */
function seen(count: number, off: number, more: Partial<Group> = {}): Group {
  return {
    members: Array.from({ length: count }, (_, i) => {
      const age = 3 + (4 * i) / count
      return {
        face: {
          id: `f${i}`,
          mediaId: `m${i}`,
          embedding: new Float32Array(128),
          // Estimates err, here by up to two years either way.
          age: age + off + 2 * Math.sin(i),
          ageSpread: 2,
          quality: 0.5,
          box: { x: 0, y: 0, w: 0.1, h: 0.1 },
          takenAt: born + age * YEAR,
        },
        score: 1,
        confirmed: false,
      }
    }),
    ...more,
  }
}
const doubts = (group: Group, children = [child]) => birthDoubts([view], [group], children)

test('ages that agree with the date, or are a few years off, are no doubt', () => {
  expect([0, 2, -2].flatMap(off => doubts(seen(40, off)))).toEqual([])
})

test('a look that is many years off all the time is told, with the years', () => {
  const [older] = doubts(seen(40, 14))
  expect(older).toMatchObject({ childId: 'kid', personId: 'p', kind: 'looks_older', mediaCount: 40, followed: true })
  expect(Math.abs((older?.years ?? 0) - 14)).toBeLessThanOrEqual(2)
  // A date of ten years too early.
  const younger = seen(40, 0)
  expect(doubts(younger, [{ id: 'kid', birth: born - 10 * YEAR }])).toMatchObject([{ kind: 'looks_younger' }])
})

test('a few pictures say nothing about the look', () => {
  expect(doubts(seen(11, 14))).toEqual([])
  const once = seen(40, 14)
  for (const { face } of once.members) face.mediaId = 'one video'
  expect(doubts(once)).toEqual([])
})

test('three pictures before the birth are told, one or two may be a wrong clock', () => {
  const beforeBirth = { mediaCount: 3, earliest: born - YEAR, followed: true }
  expect(doubts(seen(40, 0, { beforeBirth }))).toEqual([
    { childId: 'kid', personId: 'p', kind: 'before_birth', ...beforeBirth },
  ])
  expect(doubts(seen(40, 0, { beforeBirth: { ...beforeBirth, mediaCount: 2 } }))).toEqual([])
})

test('people without a child, and children that are not registered any more, have no date to doubt', () => {
  expect(birthDoubts([{ id: 'p' } as PersonView], [seen(40, 14)], [child])).toEqual([])
  expect(doubts(seen(40, 14), [])).toEqual([])
})
