import { expect, test } from 'vitest'
import { PlacesToRead, type PlaceToRead } from './places-to-read.js'

const places: PlaceToRead[] = [
  { topic: 'media.accepted', partition: 0 },
  { topic: 'media.accepted', partition: 1 },
  { topic: 'media.ingested', partition: 0 },
]
const itself = (place: PlaceToRead) => place
const mine = ({ topic, partition }: PlaceToRead) => places.some(p => p.topic === topic && p.partition === partition)

test('everything is read first, then only where something was announced, once', () => {
  const toRead = new PlacesToRead()
  expect(toRead.take(places, itself)).toEqual(places)
  expect(toRead.take(places, itself)).toEqual([])
  expect(toRead.announced('media.accepted 1', mine)).toBe(true)
  expect(toRead.take(places, itself)).toEqual([places[1]])
  expect(toRead.take(places, itself)).toEqual([])
})

test('what others read wakes nobody', () => {
  const toRead = new PlacesToRead()
  toRead.take(places, itself)
  expect(toRead.announced('media.rated 0', mine)).toBe(false)
  expect(toRead.announced('media.ingested 5', mine)).toBe(false)
  expect(toRead.take(places, itself)).toEqual([])
})

test('an announcement in other words means any place', () => {
  const toRead = new PlacesToRead()
  toRead.take(places, itself)
  expect(toRead.announced('', mine)).toBe(true)
  expect(toRead.take(places, itself)).toEqual(places)
})

test('a place where there is no room just now is read when there is', () => {
  const toRead = new PlacesToRead()
  toRead.take(places, itself)
  toRead.announced('media.accepted 0', mine)
  expect(toRead.take(places.slice(1), itself)).toEqual([])
  expect(toRead.take(places, itself)).toEqual([places[0]])
})
