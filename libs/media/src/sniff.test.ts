import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sniff } from './sniff.js'

const of = (text: string) => sniff(Buffer.from(text, 'latin1'))

describe('sniffing', () => {
  test.each([
    ['\xff\xd8\xff\xe1', 'image', 'jpeg'],
    ['\x89PNG\r\n\x1a\n', 'image', 'png'],
    ['GIF89a', 'image', 'gif'],
    ['RIFF\0\0\0\0WEBPVP8 ', 'image', 'webp'],
    ['II*\0\x08\0\0\0\0\0', 'image', 'tiff'],
    ['MM\0*\0\0\0\x08', 'image', 'tiff'],
    ['\xff\x0a\x10', 'image', 'jxl'],
    ['\0\0\0\x0cJXL \r\n\x87\n', 'image', 'jxl'],
    ['\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'image', 'heic'],
    ['\0\0\0\x18ftypmif1\0\0\0\0mif1heic', 'image', 'heic'],
    ['\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf', 'image', 'avif'],
    ['\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf', 'image', 'avif'],
    ['\0\0\0\x18ftypisom\0\0\x02\0isomiso2', 'video', 'mp4'],
    ['\0\0\0\x18ftyp3gp5\0\0\x02\x003gp5isom', 'video', 'mp4'],
    ['\0\0\0\x14ftypqt  \0\0\x02\0qt  ', 'video', 'mov'],
    ['\0\0\x10\0moov\0\0\0\x6cmvhd', 'video', 'mov'],
    ['\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska', 'video', 'mkv'],
    ['\x1a\x45\xdf\xa3\x8f\x42\x82\x84webm', 'video', 'webm'],
    ['PK\x03\x04', 'other', 'zip'],
    ['%PDF-1.7', 'other', 'pdf'],
    ['<svg xmlns="x">', 'other', 'svg'],
    ['<?xml version="1.0"?>\n<!-- x -->\n<svg>', 'other', 'svg'],
    ['<!DOCTYPE html>', 'other', 'html'],
    ['\xff\xfe<\0h\0t\0m\0l\0>\0', 'other', 'html'],
    ['hello', 'other', 'text'],
    ['{"a":1}', 'other', 'json'],
    ['MZ\x90\0', 'other', 'exe'],
    ['BM\0\0', 'unsupported', 'bmp'],
    ['RIFF\0\0\0\0AVI LIST', 'unsupported', 'avi'],
    ['II*\0\x10\0\0\0CR\x02\0', 'unsupported', 'cr2'],
    ['\0\0\0\x18ftypcrx ', 'unsupported', 'cr3'],
  ])('%j is %s %s', (bytes, kind, format) => {
    expect(of(bytes)).toMatchObject({ kind, format })
  })

  test('nothing is empty, noise is unknown', () => {
    expect(of('')).toEqual({ kind: 'empty' })
    expect(of('\x01\x02\x03\x04\x05\x06')).toEqual({ kind: 'unknown' })
  })

  test('no bytes make it fail', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), bytes => void sniff(bytes)))
  })
})
