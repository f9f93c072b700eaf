import { readFileSync } from 'node:fs'

/** One line of an `exiftool.csv` of the shared data. */
export type ExifToolRow = Readonly<Record<string, string>>

/** Reads an `exiftool.csv`; a column that is empty is an empty string. */
export function readExifTool(path: string): ExifToolRow[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').replaceAll('\r', '').trim().split('\n')
  const columns = head.split(',')
  return lines.map(line => {
    const cells = line.split(',')
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? '']))
  })
}

/** `2022:01:10 15:15:44-04:00` as the wall clock in ms, without the offset; undefined where there is no date. */
export function wallMs(text: string | undefined): number | undefined {
  const match = /^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)/.exec(text ?? '')
  if (!match || match[1] === '0000') return undefined
  const [y, mo, d, h, mi, s] = match.slice(1).map(Number) as [number, number, number, number, number, number]
  return Date.UTC(y, mo - 1, d, h, mi, s)
}

/** ExifTool's Duration: seconds, or `00:00:02.200000000`. */
export function seconds(text: string | undefined): number | undefined {
  const clock = /^(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(text ?? '')
  if (clock) return Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3])
  return text ? Number(text) : undefined
}
