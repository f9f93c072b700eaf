import { expect, test } from 'vitest'
import { fileNameTime } from './file-name-time.js'

const read = (name: string) => {
  const time = fileNameTime(name)
  return (
    time && `${new Date(time.asUtcMs).toISOString().replace('.000Z', '')} ${time.precision}${time.utc ? ' utc' : ''}`
  )
}

test.each([
  ['IMG_20190102_030405.jpg', '2019-01-02T03:04:05 second'],
  ['IMG_20190102_030405_1.jpg', '2019-01-02T03:04:05 second'],
  ['VID_20190102_030405.mp4', '2019-01-02T03:04:05 second'],
  ['IMG_20190102_030405678.jpg', '2019-01-02T03:04:05.678Z exact'],
  ['PXL_20210102_030405678.MP.jpg', '2021-01-02T03:04:05.678Z exact utc'],
  ['20190102_030405.heic', '2019-01-02T03:04:05 second'],
  ['20190102030405.jpg', '2019-01-02T03:04:05 second'],
  ['20240413-203800-Unknown.jpg', '2024-04-13T20:38:00 second'],
  ['Screenshot_20190102-030405_Chrome.jpg', '2019-01-02T03:04:05 second'],
  ['Screenshot_2019-01-02-03-04-05-678_com.app.png', '2019-01-02T03:04:05 second'],
  ['Screenshot 2019-01-02 at 3.04.05 PM.png', '2019-01-02T15:04:05 second'],
  ['Screenshot 2019-01-02 at 12.04.05 AM.png', '2019-01-02T00:04:05 second'],
  ['スクリーンショット 2019-01-02 3.04.05.png', '2019-01-02T03:04:05 second'],
  ['Bildschirmfoto 2019-01-02 um 03.04.05.png', '2019-01-02T03:04:05 second'],
  ['WhatsApp Image 2019-01-02 at 03.04.05.jpeg', '2019-01-02T03:04:05 second'],
  ['IMG-20190102-WA0001.jpg', '2019-01-02T12:00:00 day'],
  ['2019-01-02 03.04.05.jpg', '2019-01-02T03:04:05 second'],
  ['2019-01-02 03.04.05-1.jpg', '2019-01-02T03:04:05 second'],
  ['2019-01-02_03-04-05.mov', '2019-01-02T03:04:05 second'],
  ['signal-2019-01-02-030405.jpg', '2019-01-02T03:04:05 second'],
  ['photo_2019-01-02_03-04-05.jpg', '2019-01-02T03:04:05 second'],
  ['2019-01-02.jpg', '2019-01-02T12:00:00 day'],
  ['2019年1月2日.jpg', '2019-01-02T12:00:00 day'],
  ['20190102.jpg', '2019-01-02T12:00:00 day'],
  ['1965-08.jpg', '1965-08-01T12:00:00 month'],
  ['1965.jpg', '1965-01-01T12:00:00 year'],
  ['FB_IMG_1546398245123.jpg', '2019-01-02T03:04:05.123Z exact utc'],
  ['mmexport1546398245123.jpg', '2019-01-02T03:04:05.123Z exact utc'],
  ['holiday/Crete/2019-01-02 03.04.05.jpg', '2019-01-02T03:04:05 second'],
])('%s', (name, expected) => {
  expect(read(name)).toBe(expected)
})

test.each([
  'IMG_1234.jpg',
  'DSC20191203.jpg',
  'IMG_20191332_030405.jpg',
  '2019-13-02.jpg',
  '123456789012345.jpg',
  '20190002_030405.jpg',
  '.jpg',
  '',
  'received_1546398245123456.jpeg',
  'a20190102b.jpg',
])('%s has no time', name => {
  expect(read(name)).toBeUndefined()
})
