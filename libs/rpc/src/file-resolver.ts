import { readFile } from 'node:fs/promises'
import { experimental, Metadata, status } from '@grpc/grpc-js'

const { registerResolver, statusOrFromError, statusOrFromValue } = experimental
type Listener = experimental.ResolverListener

// How often the file is read: what a new replica waits for its first call, in ms.
const everyMs = 250

/**
 * The gRPC target `file:///path`: addresses host:port, separated by commas or white space, read again while the client lives. For
 * runs on one machine whose replicas come and go; in a cluster `dns:///` does this.
 */
class FileResolver {
  private readonly file: string
  private timer: NodeJS.Timeout | undefined
  /** What was read last; null where there was nothing. */
  private last: string | null | undefined

  constructor(
    target: { path: string },
    private readonly listener: Listener,
  ) {
    this.file = `/${target.path}` // gRPC takes the slash for the end of an empty authority
  }

  updateResolution(): void {
    if (this.timer !== undefined) return
    this.timer = setInterval(() => void this.look(), everyMs).unref()
    void this.look()
  }

  destroy(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.last = undefined
  }

  static getDefaultAuthority(): string {
    return 'localhost'
  }

  private async look(): Promise<void> {
    const text = await readFile(this.file, 'utf8').catch(() => null)
    if (this.timer === undefined || text === this.last) return
    // A file that is gone for a moment changes nothing for those who have read it.
    if (text === null && this.last !== undefined) return
    this.last = text
    const endpoints = parseAddresses(text ?? '').map(address => ({ addresses: [address] }))
    const found =
      endpoints.length > 0
        ? statusOrFromValue(endpoints)
        : statusOrFromError<typeof endpoints>({
            code: status.UNAVAILABLE,
            details: `Name resolution failed: ${this.file} holds no address`,
            metadata: new Metadata(),
          })
    this.listener(found, {}, null, '')
  }
}

/** host:port each, in the order of the text; what is no address is left out. */
export function parseAddresses(text: string): { host: string; port: number }[] {
  return text.split(/[\s,]+/).flatMap(each => {
    const at = each.lastIndexOf(':')
    const port = Number(each.slice(at + 1))
    return at > 0 && Number.isInteger(port) && port > 0 ? [{ host: each.slice(0, at), port }] : []
  })
}

/** Makes `file:///path` known to gRPC; calling it again changes nothing. */
export function knowFiles(): void {
  registerResolver('file', FileResolver)
}
