import { sql, type Db, type Sql, type Tx } from '@keepsake/db'
import { Trouble } from './trouble.js'

/** What `models` can do. */
const actions = ['status', 'upgrade', 'switch', 'rollback'] as const

/** For how long face keeps what the former version saw, days (`FORMER_KEPT_DAYS` in services/face). */
const FORMER_KEPT_DAYS = 14

/** What an operator asks for. */
export interface ModelsRequest {
  action: string
  /** One family; every one where absent. */
  family?: string | undefined
  /** The version to prepare, with `upgrade`. */
  to?: string | undefined
}

/**
 * Which version of the face pipeline families hold, and the way from one to another: `upgrade` lets face prepare a version in the background, each family
 * switches by itself when all of its items are done; `switch` accepts what the new version fails at; `rollback` goes back to the former one. Answers the
 * lines to print. Throws a Trouble for what means nothing.
 */
export async function models(db: Db, { action, family, to }: ModelsRequest): Promise<string[]> {
  if (!(actions as readonly string[]).includes(action))
    throw new Trouble(`models is followed by ${actions.slice(0, -1).join(', ')} or ${actions.at(-1)}.`)
  if (family !== undefined && !/^[0-9a-f-]{36}$/i.test(family)) throw new Trouble(`${family} is no family’s id.`)
  const version = Number(to)
  if (action === 'upgrade' && !(Number.isInteger(version) && version >= 1))
    throw new Trouble('Say to which version: --to 2')
  const which = family === undefined ? sql`true` : sql`family_id = ${family}`
  return db.system('versions of the face pipeline, for an operator', async tx => {
    if (action === 'upgrade') {
      const begun = await begin(tx, sql`${version}`, sql`${which} and pipeline <> ${version}`)
      // What it failed at before is tried again.
      await tx.changed(sql`
        delete from face.items where pipeline = ${version} and state = 'failed' and family_id = any(${begun}::uuid[])`)
      return [`${said(begun.length)} to version ${version}.`]
    }
    if (action === 'rollback') {
      const begun = await begin(tx, sql`former_pipeline`, sql`${which} and former_pipeline is not null`)
      return [`${said(begun.length)} back to the version before.`]
    }
    if (action === 'switch') {
      const told = await tx.changed(
        sql`update face.families set switch_anyway = true where next_pipeline is not null and ${which}`,
      )
      return [
        `${told} ${told === 1 ? 'family switches' : 'families switch'} when all items were tried, whatever failed.`,
      ]
    }
    const rows = await tx.many<Row>(sql`
      select v.family_id, v.pipeline, v.next_pipeline as next, v.former_pipeline as former, v.switched_at,
        (select count(*) from face.items i where i.family_id = v.family_id and i.pipeline = v.pipeline) as items,
        (select count(*) from face.faces f where f.family_id = v.family_id and f.pipeline = v.pipeline) as faces,
        (select count(*) from face.faces f where f.family_id = v.family_id and f.pipeline = v.next_pipeline) as next_faces,
        (select count(*) from face.items i join face.items n on n.family_id = i.family_id and n.media_id = i.media_id
          and n.pipeline = v.next_pipeline and n.version >= i.version
          where i.family_id = v.family_id and i.pipeline = v.pipeline) as prepared,
        (select count(*) from face.items i join face.items n on n.family_id = i.family_id and n.media_id = i.media_id
          and n.pipeline = v.next_pipeline and n.state = 'failed'
          where i.family_id = v.family_id and i.pipeline = v.pipeline and i.state = 'done') as newly_failed
      from face.families v where ${which} order by v.family_id`)
    return [...rows.map(line), summary(rows)]
  })
}

interface Row {
  familyId: string
  pipeline: number
  next: number | null
  former: number | null
  switchedAt: Date | null
  items: number
  faces: number
  nextFaces: number
  prepared: number
  newlyFailed: number
}

/** Notes the next version of families that agreed to be recognised; answers which. */
async function begin(tx: Tx, next: Sql, which: Sql): Promise<string[]> {
  const rows = await tx.many<{ familyId: string }>(sql`
    update face.families set next_pipeline = ${next}, upgrade_at = now(), switch_anyway = false
    where consent and ${which} returning family_id`)
  return rows.map(row => row.familyId)
}

const said = (families: number): string => `${families} ${families === 1 ? 'family is' : 'families are'} moved`

function line(r: Row): string {
  const parts = [`${r.familyId} holds version ${r.pipeline}: ${r.items} items, ${r.faces} faces`]
  if (r.next !== null) {
    const share = r.items === 0 ? 100 : Math.floor((100 * r.prepared) / r.items)
    parts.push(`version ${r.next}: ${r.prepared} of ${r.items} items (${share} %), ${r.nextFaces} faces`)
    if (r.newlyFailed > 0) parts.push(`${r.newlyFailed} failed only there: repair and upgrade again, or models switch`)
  }
  if (r.former !== null && r.switchedAt !== null) {
    const until = new Date(r.switchedAt.getTime() + FORMER_KEPT_DAYS * 86_400_000)
    parts.push(`version ${r.former} is kept until ${until.toISOString().slice(0, 10)}`)
  }
  return parts.join('; ')
}

function summary(rows: readonly Row[]): string {
  const moving = rows.filter(row => row.next !== null).length
  return `${rows.length} ${rows.length === 1 ? 'family' : 'families'}, ${moving} on the way.`
}
