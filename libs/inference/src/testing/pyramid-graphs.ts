import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { MODELS } from '../catalogue.js'
import { Network } from '../network.js'
import { ONNX_TYPES } from '../onnx-graph.js'
import { buildPyramid, PYRAMID_SCALES } from '../pyramid-net.js'
import { tinyFaceCells } from '../tiny-face-net.js'
import { decodeWeights, type WeightsManifest } from '../weights.js'

/** One run of a session: the .onnx file and the side of the picture that it reads, px. */
export interface Step {
  file: string
  side: number
}

/** The same work on a picture of one size in several ways: each is what runs one after another. */
export interface PyramidWays {
  /** The graph that ships. */
  joint: Step[]
  /** Its largest scale by itself. */
  largest: Step[]
  /** A session for each scale, each from the picture. */
  five: Step[]
  /** One session that reads any size, five times, on pictures that were made before: their resizing is left out. */
  again: Step[]
}

/** Writes the graphs of the ways for a picture of `size` pixels into a folder. */
export async function writePyramidWays(dir: string, size: number): Promise<PyramidWays> {
  const { source } = MODELS.face_pyramid_512
  const root = dirname(createRequire(import.meta.url).resolve(`${source.package}/package.json`))
  const manifest = JSON.parse(await readFile(join(root, source.description), 'utf8')) as WeightsManifest
  const weights = decodeWeights(manifest, await readFile(join(root, source.weights)))
  const write = async (name: string, graph: Uint8Array): Promise<string> => {
    const file = join(dir, `${name}.onnx`)
    await writeFile(file, graph)
    return file
  }
  const five: Step[] = []
  for (const [index, scale] of PYRAMID_SCALES.entries())
    five.push({ file: await write(`${size}-scale-${index}`, buildPyramid(weights, size, [scale])), side: size })
  const anySize = new Network('any-size', weights, 'side')
  const planes = anySize.graph.node('Cast', [anySize.pixels], { to: ONNX_TYPES.float32 })
  anySize.graph.output('cells', tinyFaceCells(anySize, planes), ['N', 25, 'rows', 'columns'])
  const again = await write('any-size', anySize.graph.encode())
  return {
    joint: [{ file: await write(`${size}-joint`, buildPyramid(weights, size)), side: size }],
    largest: five.slice(-1),
    five,
    again: PYRAMID_SCALES.map(({ part, border }) => ({ file: again, side: size * part * (1 + 2 * border) })),
  }
}
