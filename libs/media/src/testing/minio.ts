import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { until } from '@keepsake/testing'

/** The MinIO that `npm run stack` builds; undefined where it was not built. */
export function minioProgram(): string | undefined {
  const cache = process.env['KEEPSAKE_CACHE'] ?? join(homedir(), '.cache', 'keepsake')
  const program = join(cache, 'minio-20260212', 'bin', 'minio')
  return existsSync(program) ? program : undefined
}

/** A MinIO of a test's own, to be killed and started again. */
export interface TestMinio {
  /** The environment of a store in its bucket. */
  readonly env: Record<string, string>
  kill(): Promise<void>
  start(): Promise<void>
}

const user = 'keepsake'
const password = 'keepsake-secret'
const bucket = 'photos'

/** Makes one over a folder, with an empty bucket; it is not started yet. */
export async function testMinio(program: string, folder: string): Promise<TestMinio> {
  const port = await freePort()
  await mkdir(join(folder, bucket), { recursive: true })
  const endpoint = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  return {
    env: {
      KEEPSAKE_OBJECTS: `s3://${bucket}?endpoint=${encodeURIComponent(endpoint)}`,
      KEEPSAKE_S3_ACCESS_KEY: user,
      KEEPSAKE_S3_SECRET_KEY: password,
    },
    async start() {
      child = spawn(program, ['server', '--quiet', '--address', `127.0.0.1:${port}`, folder], {
        stdio: 'ignore',
        env: { MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: password, HOME: folder },
      })
      const isUp = () =>
        fetch(`${endpoint}/minio/health/live`).then(
          answer => answer.ok,
          () => false,
        )
      await until(isUp, { deadlineMs: 60_000 })
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise(resolve => child?.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
