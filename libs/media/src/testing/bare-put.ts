import type { Readable } from 'node:stream'
import { Client } from 'minio'
import { parseS3Address } from '../s3-address.js'

/** What a script of an afternoon does: the `minio` client's own putObject, as it comes. For benches to compare with. */
export async function barePutObject(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  body: Readable,
  size: number,
): Promise<void> {
  const { bucket, endpoint, region, accessKey, secretKey } = parseS3Address(env['KEEPSAKE_OBJECTS'] ?? '', env)
  const client = new Client({
    endPoint: endpoint.hostname,
    port: Number(endpoint.port),
    useSSL: endpoint.protocol === 'https:',
    region,
    accessKey,
    secretKey,
  })
  await client.putObject(bucket, name, body, size)
}
