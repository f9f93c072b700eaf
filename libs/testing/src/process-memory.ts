import { readdirSync, readFileSync } from 'node:fs'

/** Processes of the tree below `pid`, itself included, without Postgres. Linux only. */
export function processTree(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
      // The name stands in brackets and may hold spaces; the parent is the second field after it.
      const after = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (!stat.includes('(postgres')) parents.set(Number(entry), Number(after[1]))
    } catch {
      // It ended meanwhile.
    }
  }
  const tree = [pid]
  for (let i = 0; i < tree.length; i++)
    for (const [child, parent] of parents) if (parent === tree[i] && !tree.includes(child)) tree.push(child)
  return tree
}

/** Proportional set size of a process tree without Postgres, MiB: shared pages are counted once, divided among their users. */
export function treePssMiB(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + pssMiB(each), 0)
}

/** Proportional set size of one process, MiB; 0 of one that has ended. */
export function pssMiB(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
