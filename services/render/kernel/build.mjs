// Compiles the compositor's kernels to dist/film.wasm: `node services/render/kernel/build.mjs`. Skips when nothing changed.
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const source = new URL('./film.ts', import.meta.url)
const target = new URL('../dist/film.wasm', import.meta.url)

const modified = async url => (await stat(url).catch(() => undefined))?.mtimeMs ?? 0
if ((await modified(target)) < Math.max(await modified(source), await modified(new URL(import.meta.url)))) {
  const { default: asc } = await import('assemblyscript/asc')
  const text = await readFile(source, 'utf8')
  let wasm
  const { error, stderr } = await asc.main(
    [
      'film.ts',
      '--outFile',
      'film.wasm',
      '--runtime',
      'stub',
      '--enable',
      'simd',
      '-O3',
      '--noAssert',
      '--initialMemory',
      '1',
    ],
    {
      readFile: name => (name === 'film.ts' ? text : null),
      writeFile: (name, contents) => void (name === 'film.wasm' && (wasm = contents)),
      listFiles: () => [],
    },
  )
  if (error || !wasm) throw new Error(`kernel does not compile: ${stderr.toString()}`, { cause: error })
  await mkdir(new URL('../dist/', import.meta.url), { recursive: true })
  await writeFile(target, wasm)
  process.stdout.write(`${fileURLToPath(target)} ${wasm.length} bytes\n`)
}
