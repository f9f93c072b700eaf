import { getPriority, setPriority } from 'node:os'

/**
 * Lets others come first: raises the niceness of this process to `least` (0 to 19; on Linux of the calling thread, and of those that it starts later). A process
 * that is as nice already stays as it is, for only root may take that back. A courtesy: where the system refuses it, nothing happens.
 */
export function beNice(least: number): void {
  try {
    if (getPriority() < least) setPriority(least)
  } catch {
    // Work goes on as before.
  }
}
