import { open } from 'node:fs/promises'
import { sniff, sniffBytes, type Sniffed } from './sniff.js'

/** What a file is by its first bytes. */
export async function sniffFile(file: string): Promise<Sniffed> {
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.alloc(sniffBytes)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    return sniff(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
}
