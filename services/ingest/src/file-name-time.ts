import { wallClock, type WallClock } from './wall-clock.js'

/** What a file's name says about its time. */
export interface FileNameTime extends WallClock {
  /** The name counts in UTC (Pixel's `PXL_…`, milliseconds since 1970), not in local time. */
  readonly utc: boolean
}

const EPOCH_MS = /(?:^|[^\d])(1[0-9]{12})(?:[^\d]|$)/
const EPOCH_PREFIX = /^(?:FB_IMG_|mmexport|Photo_|image_|img_|wx_camera_|microMsg\.|QQ\w*?)/i

// Compact date and time: IMG_20190102_030405, PXL_20190102_030405123, 20190102-030405, 20190102030405, Screenshot_20190102-030405_App.
const COMPACT =
  /(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?:[-_ T.]?(?:at )?)(\d{2})[-_.]?(\d{2})(?:[-_.]?(\d{2}))?(?:[-_.]?(\d{3}))?(?!\d)/
// Separated: 2019-01-02 03.04.05, 2019-01-02_03-04-05, 2019-01-02 at 3.04.05 PM, signal-2019-01-02-030405, 2019年1月2日.
const SEPARATED =
  /(?<!\d)((?:18|19|20)\d{2})([-_.年])(\d{1,2})[-_.月](\d{1,2})日?(?:(?:[-_ T,]|\s)*(?:at|um|à|om)?\s*(\d{1,2})[-_.:h時]?(\d{2})(?:[-_.:m分]?(\d{2}))?(?:[.,](\d{1,3}))?(?:\s*([AP])\.?M\b)?)?(?!\d)/iu
// Day only: IMG-20190102-WA0001, 20190102. A letter right before the digits is a serial number (DSC20191203).
const DAY = /(?<![\dA-Za-z])((?:19|20)\d{2})(\d{2})(\d{2})(?![\dA-Za-z])/
// Month or year only, and nothing else: 2019-08.jpg, 1984.jpg.
const MONTH = /^((?:18|19|20)\d{2})[-_. ](\d{2})$/
const YEAR = /^((?:18|19|20)\d{2})$/

/**
 * The time in a file's name, as cameras, phones and messengers write it; undefined where there is none.
 * Works on the base name; `asUtcMs` is a wall clock unless `utc` says otherwise.
 */
export function fileNameTime(fileName: string): FileNameTime | undefined {
  const base = fileName.slice(fileName.search(/[^/\\]*$/)).normalize('NFC')
  const name = base.replace(/(?:\.[A-Za-z0-9~]{1,5}){1,2}$/, end =>
    /^\.\d/.test(end) ? end.replace(/\.[^.]*$/, '') : '',
  )
  return compact(name) ?? separated(name) ?? epoch(name) ?? dayOnly(name) ?? coarse(name)
}

function compact(name: string): FileNameTime | undefined {
  const match = COMPACT.exec(name)
  if (!match) return undefined
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as [number, number, number, number, number]
  const second = match[6] === undefined ? undefined : Number(match[6])
  const clock = wallClock({ year, month: month || 99, day: day || 99, hour, minute, second, fraction: match[7] })
  return clock && { ...clock, utc: /^PXL_/i.test(name) }
}

function separated(name: string): FileNameTime | undefined {
  const match = SEPARATED.exec(name)
  if (!match) return undefined
  const number = (i: number) => (match[i] === undefined ? undefined : Number(match[i]))
  let hour = number(5)
  if (match[9] && hour !== undefined) {
    if (hour < 1 || hour > 12) return undefined
    hour = (hour % 12) + (match[9].toUpperCase() === 'P' ? 12 : 0)
  }
  const date = { year: Number(match[1]), month: number(3) || 99, day: number(4) || 99 }
  const clock =
    wallClock({ ...date, hour, minute: number(6), second: number(7), fraction: match[8] }) ?? wallClock(date)
  return clock && { ...clock, utc: false }
}

function epoch(name: string): FileNameTime | undefined {
  const match = EPOCH_MS.exec(name)
  if (!match || !(EPOCH_PREFIX.test(name) || /^\d{13}$/.test(name))) return undefined
  return { asUtcMs: Number(match[1]), precision: 'exact', utc: true }
}

function dayOnly(name: string): FileNameTime | undefined {
  const match = DAY.exec(name)
  if (!match) return undefined
  const clock = wallClock({ year: Number(match[1]), month: Number(match[2]) || 99, day: Number(match[3]) || 99 })
  return clock && { ...clock, utc: false }
}

function coarse(name: string): FileNameTime | undefined {
  const month = MONTH.exec(name)
  const year = YEAR.exec(name)
  const clock = month
    ? wallClock({ year: Number(month[1]), month: Number(month[2]) || 99 })
    : year && wallClock({ year: Number(year[1]) })
  return clock ? { ...clock, utc: false } : undefined
}
