import { createHash, randomUUID } from 'node:crypto'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'

/** What became of one file of an import. */
export interface Entry {
  relativePath: string
  /** Bytes and milliseconds: a file that changed since is uploaded again. */
  size: number
  modified: number
  /** SHA-256 of the bytes, hex. */
  sha256?: string
  /** The resumable upload, while it is not finished. */
  uploadUrl?: string
  /** The upload ended: the item it became or joined ('' for a sidecar that waits for its item). */
  mediaId?: string
  duplicate?: boolean
  joined?: boolean
}

/**
 * The memory of an import, so that a second run goes on where the first was interrupted: one JSON line per step, the last
 * line of a file counts, a torn last line is ignored.
 */
export class Journal {
  private constructor(
    readonly importId: string,
    private readonly file: string,
    private readonly entries: Map<string, Entry>,
  ) {}

  /** Opens the journal of these folders for this family; a new one where there is none. */
  static async open(dir: string, familyId: string, roots: readonly string[]): Promise<Journal> {
    const key = createHash('sha256')
      .update([familyId, ...roots.map(root => path.resolve(root))].join('\0'))
      .digest('hex')
    const file = path.join(dir, `${key.slice(0, 24)}.jsonl`)
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const entries = new Map<string, Entry>()
    let importId: string | undefined
    const text = await readFile(file, 'utf8').catch(() => '')
    for (const line of text.split('\n')) {
      try {
        const value = JSON.parse(line) as Entry | { importId: string }
        if ('importId' in value) importId = value.importId
        else entries.set(value.relativePath, value)
      } catch {
        // The torn line of a process that was killed while writing, or the empty end.
      }
    }
    if (!importId) {
      importId = randomUUID()
      await appendFile(file, `${JSON.stringify({ importId, roots })}\n`, { mode: 0o600 })
    } else if (!text.endsWith('\n')) await appendFile(file, '\n')
    return new Journal(importId, file, entries)
  }

  /** What is known of a file that still is what it was. */
  get(file: { relativePath: string; size: number; modified: number }): Entry | undefined {
    const entry = this.entries.get(file.relativePath)
    return entry?.size === file.size && entry.modified === file.modified ? entry : undefined
  }

  /** Remembers a step. */
  async put(entry: Entry): Promise<void> {
    this.entries.set(entry.relativePath, entry)
    await appendFile(this.file, `${JSON.stringify(entry)}\n`)
  }
}
