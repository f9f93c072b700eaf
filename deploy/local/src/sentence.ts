import { KeepsakeError } from '@keepsake/rpc'
import { Sentence } from '@keepsake/stack/sentence'

export { Sentence }

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code ?? '')

/**
 * The one sentence for what a computer says when a disk, a folder or a port is not as it should be; undefined for
 * everything that is not known here. Looks through causes, and into what Postgres and the gateway print.
 */
export function sentenceFor(error: unknown, home: string): Sentence | undefined {
  for (let each: unknown = error, depth = 0; each !== undefined && each !== null && depth < 6; depth++) {
    if (each instanceof Sentence) return each
    const code = codeOf(each)
    const text = each instanceof Error ? each.message : String(each)
    if (/^(ENOSPC|EDQUOT|53100)$/.test(code) || /no space left on device|disk quota exceeded/i.test(text))
      return fullDisk(home)
    if (/^(EROFS|EACCES|EPERM)$/.test(code) && /\b(mkdir|open|write|rename|chown|chmod|unlink|scandir)\b/.test(text))
      return readOnlyHome(home)
    if (code === 'EADDRINUSE')
      return new Sentence('A port that Keepsake needs is taken by another program: start again.')
    if (each instanceof Error && each.name === 'MigrationError') return new Sentence(each.message, { cause: each })
    if (each instanceof Error && each.name === 'ConfigError') return new Sentence(each.message, { cause: each })
    if (each instanceof KeepsakeError && each.code !== 'INTERNAL') return new Sentence(each.message, { cause: each })
    each = each instanceof Error ? each.cause : undefined
  }
  return undefined
}

/** The disk that holds the home is full. */
export const fullDisk = (home: string): Sentence =>
  new Sentence(
    `There is no space left on the disk that holds ${home}. Nothing that was stored is lost: free some space and start again.`,
  )

/** The home cannot be written. */
export const readOnlyHome = (home: string): Sentence =>
  new Sentence(
    `Keepsake cannot write to ${home}. Choose a folder that is yours with --home, or correct its permissions.`,
  )
