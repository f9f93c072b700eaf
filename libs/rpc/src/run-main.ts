import type { Env } from '@keepsake/config'
import type { RunningService } from './run-service.js'

// Kubernetes kills after 30 s: what has not ended by then is left to another replica a moment before, in ms.
const graceMs = 25_000

/**
 * The body of every main.ts: starts the service with this process's environment, stops it cleanly at SIGTERM or SIGINT, and at
 * once when that takes longer than KEEPSAKE_GRACE_MS (25 s): whatever is in hand then is taken up again elsewhere.
 * A start that fails prints one sentence and ends with status 1.
 */
export async function runMain(start: (env: Env) => Promise<RunningService>): Promise<void> {
  let stopping = false
  const starting = start(process.env)
  const stop = () => {
    if (stopping) return
    stopping = true
    const grace = Number(process.env['KEEPSAKE_GRACE_MS'] || graceMs)
    setTimeout(() => {
      process.stderr.write(`not everything came to an end within ${grace} ms; leaving it\n`)
      process.exit(1)
    }, grace).unref()
    starting
      .then(service => service.close())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    await starting
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
}
