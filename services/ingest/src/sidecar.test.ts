import { describe, expect, test } from 'vitest'
import { isBeside, mergeFacts, parseSidecar, sidecarTarget } from './sidecar.js'

describe('what a sidecar is beside', () => {
  test.each([
    ['IMG_1.xmp', 'IMG_1.JPG'],
    ['IMG_1.JPG.xmp', 'img_1.jpg'],
    ['IMG_1.jpg.json', 'IMG_1.jpg'],
    ['IMG_1.jpg.supplemental-metadata.json', 'IMG_1.jpg'],
    ['IMG_1.jpg.supplemental-me.json', 'IMG_1.jpg'],
    ['IMG_1.jpg.supplemental-metadata(2).json', 'IMG_1(2).jpg'],
    ['IMG_1.jpg(2).json', 'IMG_1(2).jpg'],
    ['Cafe\u0301.xmp', 'Caf\u00e9.jpg'],
  ])('%s is beside %s', (sidecar, media) => expect(isBeside(sidecarTarget(sidecar), media)).toBe(true))
  test('others are not', () => {
    expect(isBeside(sidecarTarget('IMG_1.jpg.xmp'), 'IMG_1.png')).toBe(false)
    expect(isBeside(sidecarTarget('IMG_1.xmp'), 'IMG_10.jpg')).toBe(false)
  })
})

describe('what it says', () => {
  const xmp = (body: string) =>
    Buffer.from(
      `<?xpacket begin="\uFEFF"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description ${body}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>`,
    )
  test('XMP as attributes and as elements', () => {
    const facts = parseSidecar(
      'a.xmp',
      xmp(`xmp:CreateDate="2018-11-17T20:27:31+01:00" xmp:Rating="4" exif:GPSLatitude="50,5.37522N" exif:GPSLongitude="14,23.8446W">
        <dc:subject><rdf:Bag><rdf:li>Výlet</rdf:li><rdf:li>a &amp; b</rdf:li></rdf:Bag></dc:subject>
        <dc:description><rdf:Alt><rdf:li xml:lang="de">Hallo</rdf:li><rdf:li xml:lang="x-default">Hello</rdf:li></rdf:Alt></dc:description>
      </rdf:Description>`),
    )
    expect(facts).toMatchObject({ stars: 4, tags: ['Výlet', 'a & b'], description: 'Hello' })
    expect(facts?.position?.latitude).toBeCloseTo(50.089587, 6)
    expect(facts?.position?.longitude).toBeCloseTo(-14.39741, 6)
    expect(facts?.readings[0]?.offsetMinutes).toBe(60)
  })
  test('UTF-16 too', () => {
    const text = '\uFEFF' + xmp('xmp:CreateDate="2010-09-27T14:35:33+02:00"/>').toString()
    expect(parseSidecar('a.xmp', Buffer.from(text, 'utf16le'))?.readings).toHaveLength(1)
  })
  test('a packet with its own entities is refused', () => {
    expect(
      parseSidecar('a.xmp', Buffer.from('<!DOCTYPE x [<!ENTITY a "b">]>' + xmp('xmp:Rating="4"/>').toString())),
    ).toBeUndefined()
  })
  test('Google Takeout', () => {
    const facts = parseSidecar(
      'a.jpg.json',
      Buffer.from(
        JSON.stringify({
          title: 'a.jpg',
          description: ' First steps ',
          photoTakenTime: { timestamp: '1546398245' },
          geoData: { latitude: 0, longitude: 0, altitude: 0 },
          geoDataExif: { latitude: 35.1, longitude: 139.2, altitude: 12.34 },
        }),
      ),
    )
    expect(facts).toEqual({
      readings: [],
      utcMs: 1_546_398_245_000,
      position: { latitude: 35.1, longitude: 139.2, altitude: 12.3 },
      description: 'First steps',
    })
  })
  test('half a surrogate pair is no text that can be kept', () => {
    const facts = parseSidecar(
      'IMG.jpg.json',
      Buffer.from('{"description":"a\\ud800b","photoTakenTime":{"timestamp":"1500000000"}}'),
    )
    expect(facts?.description).toBe('a\ufffdb')
  })

  test('other JSON and broken files are no sidecars', () => {
    for (const text of ['{}', '[]', 'null', '{"creationDate": 1}', 'no json', '']) {
      expect(parseSidecar('a.json', Buffer.from(text)), text).toBeUndefined()
    }
    for (const text of ['', '<a/>', '<x:xmpmeta><rdf:RDF>', 'plain']) {
      expect(parseSidecar('a.xmp', Buffer.from(text))?.readings ?? [], text).toEqual([])
    }
  })
})

test('a sidecar adds tags and wins over the file, but never turns its pixels', () => {
  const merged = mergeFacts(
    { readings: [], orientation: 6, stars: 1, tags: ['a'], make: 'X' },
    { readings: [], orientation: 1, stars: 5, tags: ['b'] },
  )
  expect(merged).toMatchObject({ orientation: 6, stars: 5, tags: ['b', 'a'], make: 'X' })
})
