import { sql, type FamilyTx } from '@keepsake/db'
import type { Child, UpdateChildRequest } from '@keepsake/proto/family/v1'
import { checkName } from './accounts.js'
import { errors } from './errors.js'
import { familyChanged } from './families.js'

/** Throws INVALID_VALUE unless `date` is a day of the calendar, yyyy-mm-dd, between 1900 and a year from now. */
export function checkBirthDate(date: string, now: Date): void {
  const day = new Date(`${date}T00:00:00Z`)
  const real = /^\d{4}-\d{2}-\d{2}$/.test(date) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date)
  // A child that is expected may be registered before it is born.
  if (!real || day.getUTCFullYear() < 1900 || day.getTime() > now.getTime() + 366 * 86_400_000)
    throw errors.invalid('birthDate', 'A birth date is a day such as 2020-05-17.')
}

const columns = sql`child_id as id, name, birth_date`
type ChildRow = Child & Record<string, unknown>

/** The children, eldest first. */
export const listChildren = (tx: FamilyTx): Promise<Child[]> =>
  tx.many<ChildRow>(sql`select ${columns} from family.children order by birth_date, child_id`)

/** Registers a child. */
export async function createChild(tx: FamilyTx, name: string, birthDate: string, now: Date): Promise<Child> {
  checkName(name, 'name')
  checkBirthDate(birthDate, now)
  const child = await tx.one<ChildRow>(sql`
    insert into family.children (family_id, name, birth_date) values (${tx.familyId}, ${name.trim()}, ${birthDate})
    returning ${columns}`)
  await familyChanged(tx, 'children')
  return child
}

/** Changes a child's name or birth date. */
export async function updateChild(tx: FamilyTx, request: UpdateChildRequest, now: Date): Promise<Child> {
  if (request.name !== undefined) checkName(request.name, 'name')
  if (request.birthDate !== undefined) checkBirthDate(request.birthDate, now)
  const child = await tx.maybe<ChildRow>(sql`
    update family.children set name = coalesce(${request.name?.trim()}, name),
      birth_date = coalesce(${request.birthDate}, birth_date)
    where child_id::text = ${request.id} returning ${columns}`)
  if (child === undefined) throw errors.childNotFound()
  await familyChanged(tx, 'children')
  return child
}

/** Removes a child; people linked to it lose the link, no item is touched. */
export async function deleteChild(tx: FamilyTx, id: string): Promise<void> {
  if ((await tx.changed(sql`delete from family.children where child_id::text = ${id}`)) === 0)
    throw errors.childNotFound()
  await familyChanged(tx, 'children')
}
