import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Length of an embedding. */
export const DIMENSIONS = 128

/**
 * Mean embeddings of children and of adults, subtracted before comparing pairs with a child. The file that ships is data of its own terms
 * (see its provenance); an operator may replace or remove it.
 */
export interface AgeGroupMeans {
  child: Float64Array
  adult: Float64Array
  /** A face predicted younger than this is a child, years. */
  childBelowYears: number
}

const vector = z.array(z.number()).length(DIMENSIONS)
const file = z.object({ child: vector, adult: vector, childBelowYears: z.number().min(1).max(40) })

/** Where the shipped means lie. */
export const shippedMeans = new URL('../priors/age-group-means.json', import.meta.url)

/** Reads the means; `undefined` where there is no file. A file that is there but wrong is an error that names it. */
export function loadAgeGroupMeans(path: string | URL = shippedMeans): AgeGroupMeans | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const read = file.safeParse(parse(text))
  if (!read.success)
    throw new Error(`age group means in ${String(path)} are not valid: ${read.error.issues[0]?.message}`)
  return {
    child: Float64Array.from(read.data.child),
    adult: Float64Array.from(read.data.adult),
    childBelowYears: read.data.childBelowYears,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
