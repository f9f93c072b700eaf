/** Side of the grey picture that `pHash` takes. */
export const pHashSide = 32

/** Columns and rows of the grey picture that `dHash` takes. */
export const dHashSize = { width: 9, height: 8 } as const

/** Difference hash of a 9 x 8 grey picture: bit = left pixel darker than its right neighbour. 64 bits as 16 hex digits. */
export function dHash(grey: ArrayLike<number>): string {
  const bits: boolean[] = []
  for (let y = 0; y < dHashSize.height; y++) {
    for (let x = 0; x < dHashSize.width - 1; x++) {
      const at = y * dHashSize.width + x
      bits.push((grey[at] ?? 0) < (grey[at + 1] ?? 0))
    }
  }
  return hex(bits)
}

/** DCT hash of a 32 x 32 grey picture: the 8 x 8 lowest frequencies against their median, the constant left out of the median. 16 hex digits. */
export function pHash(grey: ArrayLike<number>): string {
  const low = lowFrequencies(grey)
  const sorted = low.slice(1).sort((a, b) => a - b)
  const median = sorted[31] ?? 0
  return hex(low.map(value => value > median))
}

/** Bits that differ between two hashes of 16 hex digits, 0 to 64. */
export function hammingDistance(a: string, b: string): number {
  let distance = 0
  for (let x = BigInt(`0x${a}`) ^ BigInt(`0x${b}`); x > 0n; x &= x - 1n) distance++
  return distance
}

/** The 8 x 8 corner of the two-dimensional DCT-II, row by row. */
function lowFrequencies(grey: ArrayLike<number>): number[] {
  const basis = Array.from({ length: 8 }, (_, u) =>
    Array.from({ length: pHashSide }, (_, x) => Math.cos(((2 * x + 1) * u * Math.PI) / (2 * pHashSide))),
  )
  const rows = Array.from({ length: pHashSide }, (_, y) =>
    basis.map(wave => wave.reduce((sum, cos, x) => sum + cos * (grey[y * pHashSide + x] ?? 0), 0)),
  )
  return basis.flatMap(wave =>
    Array.from({ length: 8 }, (_, u) => wave.reduce((sum, cos, y) => sum + cos * (rows[y]?.[u] ?? 0), 0)),
  )
}

function hex(bits: boolean[]): string {
  const number = bits.reduce((value, bit) => (value << 1n) | (bit ? 1n : 0n), 0n)
  return number.toString(16).padStart(16, '0')
}
