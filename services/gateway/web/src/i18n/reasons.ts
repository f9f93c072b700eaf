import type { RatingPart } from '../api.ts'
import type { Locale } from './messages.tsx'
import { reasonsJa } from './reasons-ja.ts'

/** A part of a rating in words: English as the service wrote it, Japanese from its key and parameters where there is one. */
export function reasonText(part: Pick<RatingPart, 'reason' | 'reasonKey' | 'reasonParams'>, locale: Locale): string {
  const template = locale === 'ja' && part.reasonKey ? reasonsJa[part.reasonKey] : undefined
  return template?.replaceAll(/\{(\w+)\}/g, (_, name: string) => part.reasonParams?.[name] ?? '') ?? part.reason
}
