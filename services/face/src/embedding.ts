/** Values in an embedding. */
export const EMBEDDING_LENGTH = 128

/** The same direction with length 1; a zero vector stays zero. */
export function normalised(vector: ArrayLike<number>): Float32Array {
  let square = 0
  for (let i = 0; i < vector.length; i++) square += (vector[i] as number) ** 2
  const length = Math.sqrt(square)
  return Float32Array.from(vector, value => (length === 0 ? 0 : value / length))
}

/** The weighted mean of embeddings, normalised. */
export function meanEmbedding(vectors: readonly ArrayLike<number>[], weights?: readonly number[]): Float32Array {
  const sum = new Float64Array(vectors[0]?.length ?? EMBEDDING_LENGTH)
  vectors.forEach((vector, index) => {
    const weight = weights?.[index] ?? 1
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (vector[i] as number)
  })
  return normalised(sum)
}

/** Cosine of two embeddings of length 1. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

/** 128 little-endian float32, as stored and sent. */
export function toBytes(embedding: Float32Array): Buffer {
  const bytes = Buffer.alloc(embedding.length * 4)
  embedding.forEach((value, index) => bytes.writeFloatLE(value, index * 4))
  return bytes
}

/** The reverse of `toBytes`. */
export function fromBytes(bytes: Buffer): Float32Array {
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4))
}
