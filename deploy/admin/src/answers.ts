import { formatBytes, plural } from 'keepsake'
import type { BackupResult } from './backup.js'
import type { RestoreResult } from './restore.js'

/** What a backup did, one sentence a line. */
export function backupLines(r: BackupResult): string[] {
  const counts = [plural(r.families, 'family', 'families'), plural(r.rows, 'row'), plural(r.objects, 'object')]
  const removed = r.removed > 0 ? `; ${r.removed} unreadable for ever, removed` : ''
  return [
    `backup ${r.id}: ${counts.join(', ')}; ${r.copied} new (${formatBytes(r.copiedBytes)})${removed}`,
    ...(r.missing > 0
      ? [`${plural(r.missing, 'object')} went while being copied: run it again when the album is calm.`]
      : []),
  ]
}

/** What a restore did, one sentence a line. */
export function restoreLines(r: RestoreResult): string[] {
  const there = r.there > 0 ? ` (${r.there} ${wasWere(r.there)} there)` : ''
  return [
    `restored ${r.id}: ${plural(r.rows, 'row')}, ${plural(r.objects, 'object')}${there}`,
    ...(r.replayed > 0
      ? [
          `${plural(r.replayed, 'erasure')} of after this backup ${isAre(r.replayed)} carried out again; ` +
            `${plural(r.erasedRows, 'row')} and ${plural(r.erasedObjects, 'object')} stay erased.`,
        ]
      : []),
  ]
}

/** Whether a backup was found whole. */
export const verifyLine = (wrong: number): string =>
  wrong === 0 ? 'The backup is whole.' : `${plural(wrong, 'thing')} ${isAre(wrong)} wrong.`

/** How many topics a migration made. */
export const topicsLine = (made: number): string => `${plural(made, 'topic')} ${wasWere(made)} made.`

/** How many events are given up. */
export const deadLettersLine = (n: number): string => (n === 0 ? 'No dead letters.' : `${plural(n, 'dead letter')}.`)

/** How many events a replay took up. */
export const replayedLine = (n: number): string => `${plural(n, 'event')} ${isAre(n)} driven through again.`

/** How many erasures there are, and how many of them somebody has not reported. */
export const erasuresLine = (all: number, open: number): string => `${plural(all, 'erasure')}, ${open} not complete.`

const isAre = (n: number): string => (n === 1 ? 'is' : 'are')
const wasWere = (n: number): string => (n === 1 ? 'was' : 'were')
