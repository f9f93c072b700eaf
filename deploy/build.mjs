// Builds everything, each step only when its inputs changed: protos -> TypeScript -> the WASM kernel -> the web app.
// `node deploy/build.mjs [--force]`; other scripts call build(). One build at a time per clone.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Sentence, capture, fingerprint, main, readIfThere, root, withLock } from './bootstrap.mjs'

const bin = name => path.join(root, 'node_modules', '.bin', name)
const stamps = path.join(root, '.cache', 'build.json')

/** Every folder that tsc builds, relative to the root: the references of the root tsconfig.json. */
export function projects() {
  return JSON.parse(readIfThere(path.join(root, 'tsconfig.json'))).references.map(reference => reference.path)
}

/** One step of the build. `inputs` give the fingerprint that decides whether it runs; `outputs` must exist. */
function steps() {
  const web = 'services/gateway/web'
  const kernel = 'services/render/kernel'
  const sources = projects().flatMap(project => [
    `${project}/src`,
    `${project}/tsconfig.json`,
    `${project}/package.json`,
  ])
  return [
    {
      name: 'protos',
      inputs: ['proto/keepsake', 'proto/buf.yaml', 'proto/buf.gen.yaml', 'node_modules/ts-proto/package.json'],
      outputs: ['proto/gen/keepsake'],
      when: () => existsSync(path.join(root, 'proto', 'keepsake')),
      commands: [
        [bin('buf'), 'lint', 'proto'],
        [bin('buf'), 'generate', 'proto', '--template', 'proto/buf.gen.yaml'],
      ],
    },
    {
      name: 'types',
      inputs: [...sources, 'proto/gen', 'tsconfig.json', 'tsconfig.base.json'],
      outputs: projects().map(project => `${project}/dist/.tsbuildinfo`),
      when: () => true,
      before: sweepStale,
      commands: [[bin('tsc'), '-b', '--pretty', 'false']],
    },
    {
      name: 'kernel',
      inputs: [kernel],
      outputs: ['services/render/dist/film.wasm'],
      when: () => existsSync(path.join(root, kernel, 'build.mjs')),
      commands: [[process.execPath, path.join(kernel, 'build.mjs')]],
    },
    {
      name: 'web',
      inputs: [web],
      outputs: [`${web}/dist/index.html`],
      when: () => existsSync(path.join(root, web, 'index.html')),
      commands: [[bin('vite'), 'build', '--logLevel', 'warn']],
      cwd: path.join(root, web),
    },
  ]
}

/**
 * Builds what is out of date. Every step is tried, so that one answer names all that is wrong.
 * @returns {Promise<{name: string, ok: boolean, output: string, ms: number}[]>} one entry per step; `output` only of a failed one
 */
export function build({ force = false, quiet = false } = {}) {
  return withLock('build', async () => {
    const known = force ? {} : JSON.parse(readIfThere(stamps) ?? '{}')
    const results = []
    let told = false
    for (const step of steps()) {
      if (!step.when()) continue
      // The fingerprint is taken before the step: a change while it runs makes the next run build again.
      const stamp = fingerprint(step.inputs)
      const fresh = known[step.name] === stamp && step.outputs.every(file => existsSync(path.join(root, file)))
      if (fresh) {
        results.push({ name: step.name, ok: true, output: '', ms: 0 })
        continue
      }
      const started = Date.now()
      if (!quiet && !told) console.error('Building what is new (the first time a minute or two) ...')
      told = true
      step.before?.()
      const result = await runAll(step)
      results.push({ ...result, ms: Date.now() - started })
      if (result.ok) known[step.name] = stamp
      else delete known[step.name]
      mkdirSync(path.dirname(stamps), { recursive: true })
      writeFileSync(stamps, JSON.stringify(known, null, 2))
      if (!quiet)
        console.error(
          `${result.ok ? 'built' : 'FAILED'} ${step.name} in ${((Date.now() - started) / 1000).toFixed(1)} s`,
        )
      if (!result.ok && step.name === 'protos') break // nothing after it can be right
    }
    return results
  })
}

/** Builds or throws a Sentence with what the compilers said; used where a half-built Keepsake must not start. */
export async function buildOrThrow(options) {
  if (process.env.KEEPSAKE_BUILT === '1') return // a test run has just built, and starts many of us
  const failed = (await build(options)).filter(result => !result.ok)
  if (failed.length === 0) return
  const shortened = text => {
    const all = text.trim().split('\n')
    return all.length <= 40 ? all.join('\n') : [...all.slice(0, 40), `... and ${all.length - 40} lines more`].join('\n')
  }
  throw new Sentence(
    failed.map(each => `The build step "${each.name}" failed:\n${shortened(each.output)}`).join('\n\n'),
  )
}

async function runAll(step) {
  for (const [command, ...args] of step.commands) {
    const { code, output } = await capture(command, args, { cwd: step.cwd ?? root })
    if (code !== 0)
      return { name: step.name, ok: false, output: output || `${path.basename(command)} ended with status ${code}` }
  }
  return { name: step.name, ok: true, output: '' }
}

/** A compiled file whose source is gone must not be run or imported: tsc leaves it, so it is removed here. */
function sweepStale() {
  for (const project of projects()) {
    const dist = path.join(root, project, 'dist')
    if (!existsSync(dist)) continue
    const source = project === 'proto' ? 'gen' : 'src'
    for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
      const stem = /^(.*)\.(?:d\.ts|js)(?:\.map)?$/.exec(entry.name)?.[1]
      if (!entry.isFile() || stem === undefined) continue
      const folder = path.join(root, project, source, path.relative(dist, entry.parentPath))
      const alive = ['.ts', '.tsx', '.mts', '.js', ''].some(ending => existsSync(path.join(folder, stem + ending)))
      if (!alive) rmSync(path.join(entry.parentPath, entry.name))
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async args => {
    delete process.env.KEEPSAKE_BUILT
    await buildOrThrow({ force: args.includes('--force') })
  })
}
