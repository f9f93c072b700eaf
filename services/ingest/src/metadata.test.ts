import fc from 'fast-check'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { readImageMetadata } from './image-metadata.js'
import { readAppleMakerNote } from './apple-maker-note.js'
import { earlyReadings } from './early-cameras.js'
import { parseXmp } from './xmp.js'

let jpeg: Buffer
let png: Buffer
let webp: Buffer
beforeAll(async () => {
  const image = sharp({ create: { width: 32, height: 24, channels: 3, background: '#336699' } }).withExif({
    IFD0: { Make: 'Canon', Model: 'EOS', ImageDescription: 'OLYMPUS DIGITAL CAMERA' },
    IFD2: { DateTimeOriginal: '2019:03:21 11:04:22', OffsetTimeOriginal: '+02:00', SubSecTimeOriginal: '5' },
    IFD3: {
      GPSLatitudeRef: 'S',
      GPSLatitude: '33/1 51/1 2051/100',
      GPSLongitudeRef: 'E',
      GPSLongitude: '151/1 12/1 3737/100',
      GPSDateStamp: '2019:03:21',
      GPSTimeStamp: '9/1 4/1 20/1',
    },
  })
  jpeg = await image.jpeg().toBuffer()
  png = await image.png().toBuffer()
  webp = await image.webp().toBuffer()
})

describe('metadata of a file', () => {
  test.each(['jpeg', 'png', 'webp'])('%s', format => {
    const facts = readImageMetadata({ jpeg, png, webp }[format] ?? Buffer.alloc(0))
    expect(facts.readings[0]).toEqual({
      asUtcMs: Date.UTC(2019, 2, 21, 11, 4, 22, 500),
      precision: 'exact',
      offsetMinutes: 120,
    })
    expect(facts.position?.latitude).toBeCloseTo(-33.855697, 5)
    expect(facts.position?.longitude).toBeCloseTo(151.210381, 5)
    expect(facts.gpsUtcMs).toBe(Date.UTC(2019, 2, 21, 9, 4, 20))
    expect(facts).toMatchObject({ make: 'Canon', model: 'EOS' })
    expect(facts.description).toBeUndefined() // what cameras write into it nobody wrote
  })

  test('flipped, cut and random bytes never throw and always come to an end', () => {
    const source = fc.constantFrom('jpeg', 'png', 'webp')
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 40 })
    fc.assert(
      fc.property(source, flips, fc.double({ min: 0, max: 1, noNaN: true }), (name, changes, share) => {
        const bytes = Buffer.from({ jpeg, png, webp }[name])
        // Metadata lies in front: most changes go there.
        for (const [at, value] of changes) bytes[at % Math.min(bytes.length, 700)] = value
        readImageMetadata(bytes.subarray(0, Math.ceil(bytes.length * share)))
      }),
      { numRuns: 400 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        readImageMetadata(Buffer.from(bytes))
        readAppleMakerNote(Buffer.concat([Buffer.from('Apple iOS\0\0\x01MM'), Buffer.from(bytes)]))
        earlyReadings(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from(bytes)]))
        parseXmp(bytes)
      }),
    )
  })

  test('deeply nested XMP is no trouble', () => {
    const deep = `${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}`
    expect(parseXmp(`<x:xmpmeta><rdf:RDF><rdf:Description>${deep}</rdf:Description></rdf:RDF></x:xmpmeta>`)).toSatisfy(
      xmp => xmp === undefined || typeof xmp === 'object',
    )
  })
})

test('the identifiers in an Apple maker note', () => {
  const id = '9B539AB8-A668-4FA6-9207-EB653A5E7E3C\0'
  const note = Buffer.alloc(16 + 12 + 4 + id.length)
  note.write('Apple iOS\0\0\x01MM', 0, 'latin1')
  note.writeUInt16BE(1, 14)
  note.writeUInt16BE(0x11, 16)
  note.writeUInt16BE(2, 18)
  note.writeUInt32BE(id.length, 20)
  note.writeUInt32BE(32, 24)
  note.write(id, 32, 'latin1')
  expect(readAppleMakerNote(note)).toEqual({ contentIdentifier: id.slice(0, -1) })
  note.writeUInt32BE(4_000_000_000, 24)
  expect(readAppleMakerNote(note)).toEqual({})
})
