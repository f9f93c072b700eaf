/** glibc keeps memory by thread, also for threads that are long done: two such places are enough. */
const fewArenas = { MALLOC_ARENA_MAX: '2' } as const

/**
 * The environment of a process that decodes what people uploaded: nothing of the service's own, so that a decoder that is taken over finds no
 * secrets; and few arenas of the C library.
 */
export function childEnv(): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    TMPDIR: process.env['TMPDIR'],
    SystemRoot: process.env['SystemRoot'],
    ...fewArenas,
  }
}

/**
 * The C library gives every larger block back when it is freed. Larger is from 32 KiB: the pieces of 64 KiB in which streams carry files would else lie between
 * what stays, and holes of some hundred megabytes grow there during an import. It costs page faults, which a child that does the same small thing over and over would feel.
 */
export const givesMemoryBack = { MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' } as const

/** How every process of Keepsake keeps memory. `npm start` (package.json) and `deploy/bootstrap.mjs`, which run before anything is built, say the same. */
export const memoryEnv = { ...fewArenas, ...givesMemoryBack } as const
