/** The part of archiver 8 that we use; the package brings no types. */
declare module 'archiver' {
  import type { Transform } from 'node:stream'
  export class ZipArchive extends Transform {
    constructor(options?: { store?: boolean; forceZip64?: boolean })
    append(source: NodeJS.ReadableStream | Buffer | string, data: { name: string; date?: Date }): this
    finalize(): Promise<void>
  }
}
