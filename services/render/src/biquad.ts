/** Second-order filters (R. Bristow-Johnson's Audio EQ Cookbook). Pure but for the array they work on. */

/** Normalised coefficients (a0 = 1). */
export interface Biquad {
  b0: number
  b1: number
  b2: number
  a1: number
  a2: number
}

/** Filters a channel in place, from silence. */
export function runBiquad(channel: Float32Array | Float64Array, { b0, b1, b2, a1, a2 }: Biquad): void {
  let z1 = 0
  let z2 = 0
  for (let i = 0; i < channel.length; i++) {
    const x = channel[i]!
    const y = b0 * x + z1
    z1 = b1 * x - a1 * y + z2
    z2 = b2 * x - a2 * y
    channel[i] = y
  }
}

/** Takes away what lies below `frequency` Hz, 12 dB an octave. */
export function highPass(frequency: number, q: number, rate: number): Biquad {
  const w = (2 * Math.PI * frequency) / rate
  const alpha = Math.sin(w) / (2 * q)
  const cos = Math.cos(w)
  return normalise((1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha)
}

/** Raises or lowers what lies below `frequency` Hz by `gain` dB. */
export function lowShelf(frequency: number, gain: number, rate: number): Biquad {
  return shelf(frequency, gain, rate, 1)
}

/** Raises or lowers what lies above `frequency` Hz by `gain` dB. */
export function highShelf(frequency: number, gain: number, rate: number): Biquad {
  return shelf(frequency, gain, rate, -1)
}

function shelf(frequency: number, gain: number, rate: number, side: 1 | -1): Biquad {
  const a = 10 ** (gain / 40)
  const w = (2 * Math.PI * frequency) / rate
  const cos = side * Math.cos(w)
  const slope = 2 * Math.sqrt(a) * (Math.sin(w) / Math.SQRT2)
  return normalise(
    a * (a + 1 - (a - 1) * cos + slope),
    side * 2 * a * (a - 1 - (a + 1) * cos),
    a * (a + 1 - (a - 1) * cos - slope),
    a + 1 + (a - 1) * cos + slope,
    side * -2 * (a - 1 + (a + 1) * cos),
    a + 1 + (a - 1) * cos - slope,
  )
}

function normalise(b0: number, b1: number, b2: number, a0: number, a1: number, a2: number): Biquad {
  return { b0: b0 / a0, b1: b1 / a0, b2: b2 / a0, a1: a1 / a0, a2: a2 / a0 }
}
