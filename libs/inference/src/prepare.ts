import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { KeepsakeError } from '@keepsake/rpc'
import { MODELS, MODEL_NAMES, type ModelName } from './catalogue.js'

/** Raise this when a builder changes what it writes: every model is then converted again. */
const CONVERTER_VERSION = 2

/** `manifest.json` in the models folder: what was made from what. */
interface Manifest {
  converter: number
  models: Partial<Record<ModelName, ManifestEntry>>
}
interface ManifestEntry {
  /** sha256 of description and weights in the npm package. */
  source: string
  /** sha256 and size in bytes of the .onnx file. */
  sha256: string
  bytes: number
}

/** How far `prepareModels` has come. `converted` is false when the file that was there is right. */
export interface PrepareProgress {
  model: ModelName
  done: number
  total: number
  converted: boolean
}

/** The file of a model inside the models folder. */
export function modelFile(dir: string, model: ModelName): string {
  return join(dir, `${model}.onnx`)
}

/**
 * Makes the folder hold every model that ships, converted from the weights in node_modules. What is there and right is
 * kept; what is missing, corrupt or made from other weights is made anew. Safe to interrupt and to run twice.
 */
export async function prepareModels(
  dir: string,
  onProgress: (progress: PrepareProgress) => void = () => {},
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const manifest = (await readManifest(dir)) ?? { converter: CONVERTER_VERSION, models: {} }
  if (manifest.converter !== CONVERTER_VERSION) manifest.models = {}
  manifest.converter = CONVERTER_VERSION
  for (const [index, model] of MODEL_NAMES.entries()) {
    const { description, weights } = await readSource(model)
    const source = createHash('sha256').update(description).update(weights).digest('hex')
    const known = manifest.models[model]
    const keep = known?.source === source && (await problemOf(dir, model, known)) === undefined
    if (!keep) {
      const bytes = MODELS[model].build(JSON.parse(description.toString('utf8')), weights)
      await writeAtomically(modelFile(dir, model), bytes)
      manifest.models[model] = { source, sha256: sha256(bytes), bytes: bytes.length }
      await writeAtomically(join(dir, 'manifest.json'), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`))
    }
    onProgress({ model, done: index + 1, total: MODEL_NAMES.length, converted: !keep })
  }
}

/**
 * Checks every model file against its digest. Throws MODEL_CORRUPT or MODEL_MISSING with one sentence that names the
 * first bad file; `prepareModels` on the same folder repairs it.
 */
export async function verifyModels(dir: string): Promise<void> {
  const manifest = await readManifest(dir)
  for (const model of MODEL_NAMES) {
    const problem = await problemOf(dir, model, manifest?.models[model])
    if (problem) throw problem
  }
}

async function problemOf(
  dir: string,
  model: ModelName,
  entry: ManifestEntry | undefined,
): Promise<KeepsakeError | undefined> {
  const name = `${model}.onnx`
  const bytes = await readIfThere(modelFile(dir, model))
  if (!entry || !bytes)
    return new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'MODEL_MISSING',
      message: `The model file ${name} is missing; prepare the models again to make it.`,
      details: { file: name },
    })
  if (bytes.length === entry.bytes && sha256(bytes) === entry.sha256) return undefined
  return new KeepsakeError({
    code: 'FAILED_PRECONDITION',
    reason: 'MODEL_CORRUPT',
    message: `The model file ${name} is corrupt (its digest is not the one recorded when it was made); prepare the models again to repair it.`,
    details: { file: name },
  })
}

/** A manifest that cannot be read is no manifest: every model is then checked as missing, and made again by prepare. */
async function readManifest(dir: string): Promise<Manifest | undefined> {
  const bytes = await readIfThere(join(dir, 'manifest.json'))
  if (!bytes) return undefined
  try {
    const parsed = JSON.parse(bytes.toString('utf8')) as Manifest
    return typeof parsed.models === 'object' && parsed.models !== null ? parsed : undefined
  } catch {
    return undefined
  }
}

async function readSource(model: ModelName): Promise<{ description: Buffer; weights: Buffer }> {
  const { source } = MODELS[model]
  try {
    const root = packageFolder(source.package)
    const [description, weights] = await Promise.all([
      readFile(join(root, source.description)),
      readFile(join(root, source.weights)),
    ])
    return { description, weights }
  } catch (cause) {
    throw new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'MODEL_SOURCE_MISSING',
      message: `The weights of ${model} are not installed; install the npm package ${source.package} again.`,
      details: { package: source.package },
      cause,
    })
  }
}

function packageFolder(name: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
}

/** A reader sees the old file or the whole new one, also after a power cut. */
async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.part`
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
