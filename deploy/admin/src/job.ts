import { readFileSync } from 'node:fs'
import { provisioning } from '@keepsake/db'
import { makeTopics } from '@keepsake/events'
import { prepareBucket } from '@keepsake/media'
import { migrateAll, migrateSchemas } from '@keepsake/local/migrations'
import { schemaNames } from '@keepsake/local/services'
import { topicsLine } from './answers.js'
import type { Surroundings } from './backup.js'
import type { Books } from './place.js'
import { Trouble } from './trouble.js'

/**
 * The job before a start: roles and schemas where the role of the address may make them, migrations, grants, then topics and the bucket where the environment names Kafka and an
 * S3 store. Safe to run again, and by several at once. Resolves with the exit status.
 */
export async function migrateDatabase(
  { ownerUrl: url, env }: Books,
  { say }: Pick<Surroundings, 'say'>,
): Promise<number> {
  const { mayProvision, missing } = await provisioning(url, schemaNames)
  if (!mayProvision && missing.length > 0)
    throw new Trouble(
      `The database has no ${missing.join(', ')}. Run this once with the DATABASE_URL of a role that may make them, and KEEPSAKE_ROLE_PASSWORDS.`,
    )
  const { applied } = mayProvision
    ? await migrateAll({ adminUrl: url, passwords: passwordsOf(env['KEEPSAKE_ROLE_PASSWORDS']) })
    : { applied: await migrateSchemas(url) }
  for (const [schema, files] of Object.entries(applied)) say(`${schema}: ${files.join(', ')}`)
  const { created } = await makeTopics(env)
  if (created.length > 0) say(topicsLine(created.length))
  const bucket = await prepareBucket(env)
  if (bucket?.created === true) say(`The bucket ${bucket.bucket} was made.`)
  const changed = Object.keys(applied).length + created.length > 0 || bucket?.created === true
  say(changed ? 'Everything is up to date now.' : 'Everything was up to date.')
  return 0
}

/** Makes the topics that are missing and says which there are. Resolves with the exit status. */
export async function reportTopics({ env }: Books, { say }: Pick<Surroundings, 'say'>): Promise<number> {
  const { created, present } = await makeTopics(env)
  for (const name of present) say(name)
  for (const name of created) say(`${name} (made now)`)
  if (created.length + present.length === 0) say('Events stay in Postgres: there are no topics to make.')
  return 0
}

function passwordsOf(file: string | undefined): Record<string, string> {
  if (!file)
    throw new Trouble(
      'Say what passwords the roles have: KEEPSAKE_ROLE_PASSWORDS names a JSON file of them, or use the DATABASE_URL of keepsake_owner.',
    )
  const wrong = (what: string) => new Trouble(`${file}, which KEEPSAKE_ROLE_PASSWORDS names, ${what}.`)
  let passwords: Record<string, unknown>
  try {
    passwords = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  } catch {
    throw wrong('is no JSON that can be read')
  }
  const lacking = ['owner', ...schemaNames].filter(
    name => typeof passwords[name] !== 'string' || passwords[name] === '',
  )
  if (lacking.length > 0) throw wrong(`has no password of ${lacking.join(', ')}`)
  return passwords as Record<string, string>
}
