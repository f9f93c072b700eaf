import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process that cannot be mistaken for a later one with the same number. */
export interface Identity {
  pid: number
  /** See StackPart.began. */
  began: string
}

/** When a running process began, as the system says it; undefined where there is none or it has ended (a zombie). */
export function beganAt(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
    return stdout.trim() || undefined
  }
  const fields = statOf(pid)
  return fields === undefined || /[ZX]/.test(fields[0] ?? '') ? undefined : fields[19]
}

/** Whether that very process still runs. */
export const isRunning = ({ pid, began }: Identity): boolean => beganAt(pid) === began

/** Sends a signal to that very process; false where it is gone. Another process with its number is left alone. */
export function signal(identity: Identity, name: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false
  try {
    return process.kill(identity.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Waits until that process has ended; false where it still runs after `deadlineMs`. */
export async function ended(identity: Identity, deadlineMs: number): Promise<boolean> {
  const deadline = Date.now() + deadlineMs
  while (isRunning(identity)) {
    if (Date.now() > deadline) return false
    await sleep(20)
  }
  return true
}

/** The processes that a process started, and those that they started. Empty where there is no /proc. */
export function below(pid: number): Identity[] {
  if (process.platform !== 'linux') return []
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const parent = statOf(Number(entry))?.[1]
    if (parent !== undefined) parents.set(Number(entry), Number(parent))
  }
  const tree = [pid]
  for (let i = 0; i < tree.length; i++)
    for (const [child, parent] of parents) if (parent === tree[i] && !tree.includes(child)) tree.push(child)
  return tree.slice(1).flatMap(child => {
    const began = beganAt(child)
    return began === undefined ? [] : [{ pid: child, began }]
  })
}

/** The fields of /proc/PID/stat after the name (which stands in brackets and may hold spaces): state, parent, ... */
function statOf(pid: number): string[] | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
