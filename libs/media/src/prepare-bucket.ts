import { KeepsakeError } from '@keepsake/rpc'
import type { LifecycleRule } from 'minio'
import { parseS3Address, type S3Address } from './s3-address.js'
import { S3Client } from './s3-client.js'
import { S3Refusal, storeFailure } from './s3-failure.js'
import { uploadPartTag } from './s3-object-store.js'

/** What was done to the bucket. */
export interface PreparedBucket {
  bucket: string
  /** Whether it was made. */
  created: boolean
  /** Our rules that stand now. */
  rules: string[]
  /** Our rules that this store does not know. */
  refused: string[]
}

/** Uploads go straight into multipart uploads, and someone may go on with one after days. What is older (days) was left over. */
const unfinishedDays = 60
/** An upload that goes on is kept as long as someone goes on with it; its first part may be so old (days). */
const uploadPartDays = 60

const idOfOurs = /^keepsake-/

/**
 * Makes the bucket of `KEEPSAKE_OBJECTS` where it is missing, and sets the rules that remove what crashes leave: unfinished multipart uploads and
 * parts of uploads after sixty days. Rules of others stay. Refuses a bucket that keeps old versions (BUCKET_KEEPS_VERSIONS): what is erased must be gone. Run by the
 * migration job or by hand, never by a service. Undefined where objects are kept in a folder.
 */
export async function prepareBucket(
  env: Readonly<Record<string, string | undefined>>,
): Promise<PreparedBucket | undefined> {
  const address = env['KEEPSAKE_OBJECTS'] ?? ''
  if (!address.startsWith('s3://')) return undefined
  return prepareS3Bucket(parseS3Address(address, env))
}

/** `prepareBucket` for an address that was read already. */
export async function prepareS3Bucket(address: S3Address): Promise<PreparedBucket> {
  const client = new S3Client(address)
  const { bucket, region } = address
  try {
    const created = !(await client.attempt(() => client.bucketExists(bucket)))
    if (created) await client.attempt(() => client.makeBucket(bucket, region)).catch(unlessThere)
    const versioning = await client.attempt(() => client.getBucketVersioning(bucket)).catch(() => undefined)
    if (versioning?.Status === 'Enabled') {
      throw new KeepsakeError({
        code: 'FAILED_PRECONDITION',
        reason: 'BUCKET_KEEPS_VERSIONS',
        message: `The bucket ${bucket} keeps old versions: what a family erases would stay. Use a bucket without versioning.`,
      })
    }
    const theirs = await foreignRules(client, bucket)
    const ours = rulesFor(address)
    const kept: LifecycleRule[] = []
    const refused: string[] = []
    for (const rule of ours) {
      try {
        await client.attempt(() => client.setBucketLifecycle(bucket, { Rule: [...theirs, ...kept, rule] }))
        kept.push(rule)
      } catch (error) {
        if (!(error instanceof S3Refusal) || (error.status >= 500 && error.status !== 501)) throw error
        refused.push(String(rule.ID))
      }
    }
    return { bucket, created, rules: kept.map(rule => String(rule.ID)), refused }
  } catch (error) {
    throw storeFailure(error, true)
  } finally {
    client.close()
  }
}

function rulesFor({ prefix, tags }: S3Address): LifecycleRule[] {
  const under = prefix === '' ? '' : `${prefix}/`
  const tag = { Key: uploadPartTag.key, Value: uploadPartTag.value }
  return [
    ...(tags
      ? [
          {
            ID: 'keepsake-upload-parts',
            Status: 'Enabled',
            Filter: under === '' ? { Tag: tag } : { And: { Prefix: under, Tag: tag } },
            Expiration: { Days: uploadPartDays },
          },
        ]
      : []),
    {
      ID: 'keepsake-unfinished-uploads',
      Status: 'Enabled',
      Filter: { Prefix: under },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: unfinishedDays },
    },
  ] as LifecycleRule[]
}

async function foreignRules(client: S3Client, bucket: string): Promise<LifecycleRule[]> {
  try {
    const found = await client.attempt(() => client.getBucketLifecycle(bucket))
    return [found?.Rule ?? []].flat().filter(rule => !idOfOurs.test(String(rule.ID)))
  } catch (error) {
    if (error instanceof S3Refusal && error.status === 404) return []
    throw error
  }
}

/** Two jobs may make it at once. */
function unlessThere(error: unknown): void {
  if (!(error instanceof S3Refusal) || error.code !== 'BucketAlreadyOwnedByYou') throw error
}
