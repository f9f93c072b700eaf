import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Recipe } from './part.js'
import { minioProgram } from './tools.js'

/** How MinIO is started. */
export interface MinioOptions {
  /** See cacheFolder. */
  cache: string
  port: number
  /** Its data folder, absolute; a small disk in fault tests. */
  data: string
  log: string
  accessKey: string
  secretKey: string
  /** Made where it is missing. */
  bucket: string
}

/** One MinIO server on one drive. */
export function minioRecipe({ cache, port, data, log, accessKey, secretKey, bucket }: MinioOptions): Recipe {
  // On one drive a folder beside MinIO's own is a bucket.
  mkdirSync(path.join(data, bucket), { recursive: true })
  return {
    name: 'minio',
    port,
    data,
    log,
    program: {
      command: minioProgram(cache),
      args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
      cwd: data,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: data,
        MINIO_ROOT_USER: accessKey,
        MINIO_ROOT_PASSWORD: secretKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
        // Unfinished multipart uploads are uploads that somebody may resume after days: see libs/media/README.md.
        MINIO_API_STALE_UPLOADS_EXPIRY: '1440h',
        // Without it MinIO takes half of the machine's memory for its buffers as soon as it is busy.
        GOMEMLIMIT: '512MiB',
      },
    },
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/minio/health/ready`, { signal: AbortSignal.timeout(2_000) })
      return answer.ok
    },
    startDeadlineMs: 60_000,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 20_000,
  }
}
