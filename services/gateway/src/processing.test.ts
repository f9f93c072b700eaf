import { expect, test } from 'vitest'
import { compose, type Progress } from './processing.js'

const done: Progress = {
  ingest: { total: 28, ready: 27, pending: 0, failed: 1 },
  album: { ready: 27, pending: 0, failed: 1, trashed: 0, peopleVersion: 3, ratingVersion: 5, version: 60 },
  face: { done: 27, failed: 0, consent: true, faces: 40 },
  cluster: { done: 27, pending: 0, version: 3, people: 4 },
  rating: { done: 27, pending: 0, albumVersion: 60, peopleVersion: 3, version: 5 },
}

test('a settled album is done in every stage', () => {
  expect(compose(done).stages).toEqual({
    ingest: { done: 27, pending: 0, failed: 1 },
    faces: { done: 27, pending: 0, failed: 0 },
    people: { done: 27, pending: 0, failed: 0 },
    ratings: { done: 27, pending: 0, failed: 0 },
  })
})

test('items on their way from one service to the next are counted once', () => {
  const { stages } = compose({
    ...done,
    album: { ...done.album, ready: 13, pending: 14, failed: 1, peopleVersion: 2 },
    cluster: { ...done.cluster, done: 20, pending: 7 },
    rating: { ...done.rating, done: 5, pending: 8 },
  })
  expect(stages.ingest).toEqual({ done: 13, pending: 14, failed: 1 })
  expect(stages.people).toEqual({ done: 20, pending: 7, failed: 0 })
  expect(stages.ratings).toEqual({ done: 5, pending: 8, failed: 0 })
})

test('a stage that waits only for news of it to arrive lacks one item, and has none too many', () => {
  const { stages } = compose({ ...done, album: { ...done.album, peopleVersion: 2, ratingVersion: 4 } })
  expect(stages.people).toEqual({ done: 26, pending: 1, failed: 0 })
  expect(stages.ratings).toEqual({ done: 26, pending: 1, failed: 0 })
})
