import { readdirSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/**
 * Lets others come first: raises the niceness of this process to `least` (0 to 19; on Linux of the calling thread, and of those that it starts later). A process
 * that is as nice already stays as it is, for only root may take that back. A courtesy: where the system refuses it, nothing happens.
 */
export function beNice(least: number): void {
  stepBack(0, least)
}

/**
 * Like `beNice`, for the whole of a process that works for others: on Linux every thread that it has by now too. Node's own pool, in which native decoders work,
 * is one of them: it has begun before the first line of a program runs.
 */
export function beNiceAltogether(least: number): void {
  beNice(least)
  for (const thread of threads()) stepBack(thread, least)
}

/** Numbers of this process's threads; none where the system has no such list. */
function threads(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number)
  } catch {
    return []
  }
}

/** @param thread 0: the calling one */
function stepBack(thread: number, least: number): void {
  try {
    if (getPriority(thread) < least) setPriority(thread, least)
  } catch {
    // Work goes on as before.
  }
}
