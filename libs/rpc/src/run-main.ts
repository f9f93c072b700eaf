import type { Env } from '@keepsake/config'
import type { RunningService } from './run-service.js'

/**
 * The body of every main.ts: starts the service with this process's environment, stops it cleanly at SIGTERM or SIGINT.
 * A start that fails prints one sentence and ends with status 1.
 */
export async function runMain(start: (env: Env) => Promise<RunningService>): Promise<void> {
  let stopping = false
  const starting = start(process.env)
  const stop = () => {
    if (stopping) return
    stopping = true
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
