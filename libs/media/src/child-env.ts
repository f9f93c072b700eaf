/**
 * The environment of a process that decodes what people uploaded: nothing of the service's own, so that a decoder that is taken over finds no
 * secrets; and few arenas of the C library (glibc), which keep memory for threads that are long done.
 */
export function childEnv(): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    TMPDIR: process.env['TMPDIR'],
    SystemRoot: process.env['SystemRoot'],
    MALLOC_ARENA_MAX: '2',
  }
}

/**
 * For a child that lives for minutes with large pictures of many sizes: the C library gives every large block back when it is freed. It costs
 * page faults, which a child that does the same small thing over and over would feel.
 */
export const givesMemoryBack = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' } as const
