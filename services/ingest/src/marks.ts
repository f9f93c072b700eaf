/** What a file is when it is no family picture. */
export type Mundane = 'screenshot' | 'receipt' | 'document'

/** What speaks for and against it. */
export interface MundaneEvidence {
  readonly fileName: string
  /** Format of the bytes, such as `png`. */
  readonly format: string
  /** As shown, px. */
  readonly width: number
  readonly height: number
  /** A camera named itself. */
  readonly hasCamera: boolean
  readonly userComment?: string | undefined
  readonly software?: string | undefined
  /** Raw figures of @keepsake/media, 0..1; contrast is 0..0.5; colourfulness after Hasler and Süsstrunk. */
  readonly figures?:
    | {
        readonly flatShare: number
        readonly paperShare: number
        readonly colourfulness: number
        readonly sharpness: number
      }
    | undefined
}

const SCREENSHOT_NAME =
  /screen[ _-]?(?:shot|cap(?:ture)?)|スクリーンショット|bildschirmfoto|capture d.?écran|schermata|captura de pantalla|screenrecord/i

/** Screens of phones and tablets, short side by long side, px. */
const SCREENS = new Set(
  (
    '640x1136 750x1334 828x1792 1080x1920 1080x2160 1080x2220 1080x2246 1080x2280 1080x2310 1080x2316 1080x2340 1080x2376 1080x2388 1080x2400 ' +
    '1080x2408 1080x2412 1125x2436 1170x2532 1179x2556 1206x2622 1242x2208 1242x2688 1284x2778 1290x2796 1320x2868 1344x2992 1440x2560 ' +
    '1440x2880 1440x2960 1440x3040 1440x3088 1440x3120 1440x3168 1440x3200 720x1280 720x1520 720x1600 768x1024 1536x2048 1620x2160 1640x2360 ' +
    '1668x2224 1668x2388 2048x2732 2064x2752'
  ).split(' '),
)

/**
 * Marks what is no family picture. Honest and simple: a screenshot by its name, its comment or its size without a camera; paper by a
 * picture that is mostly white and grey with crisp print on it, long and narrow for receipts. In doubt nothing is marked.
 */
export function mundaneMark(evidence: MundaneEvidence): Mundane | undefined {
  const { fileName, figures } = evidence
  if (SCREENSHOT_NAME.test(fileName)) return 'screenshot'
  if (/^screenshot$/i.test(evidence.userComment?.trim() ?? '')) return 'screenshot'
  const short = Math.min(evidence.width, evidence.height)
  const long = Math.max(evidence.width, evidence.height)
  const synthetic = (figures?.flatShare ?? 0) > 0.5
  if (!evidence.hasCamera && SCREENS.has(`${short}x${long}`) && (evidence.format === 'png' || synthetic))
    return 'screenshot'
  if (!figures) return undefined
  const paper = figures.paperShare >= 0.55 && figures.colourfulness < 15 && figures.sharpness >= 300
  if (!paper) return undefined
  return long / short >= 2 ? 'receipt' : 'document'
}
