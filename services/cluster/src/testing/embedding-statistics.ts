import { loadAgeGroupMeans } from '../age-groups.js'
import type { EmbeddingStatistics } from '../simulated-family.js'

const means = loadAgeGroupMeans()!
const falling = (length: number, trace: number): number[] => {
  const values = Array.from({ length }, (_, k) => Math.exp((-3.2 * k) / length))
  const sum = values.reduce((a, b) => a + b, 0)
  return values.map(v => (trace * v) / sum)
}

/** Lengths and traces of the spectra as the design's statistics of embeddings per age group give them. */
export const statistics: EmbeddingStatistics = {
  child: { mean: means.child, within: falling(28, 0.0675), people: falling(37, 0.0447) },
  adult: { mean: means.adult, within: falling(66, 0.064), people: falling(39, 0.0887) },
}
