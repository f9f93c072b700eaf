// `npm run bench [-- NAME ...]`: runs the benches of deploy/bench (each exports `name` and `run`) one after the other.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Sentence, main, root } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const wanted = args.filter(arg => !arg.startsWith('-'))
  const options = args.filter(arg => arg.startsWith('-'))
  const dist = path.join(root, 'deploy', 'bench', 'dist')
  const benches = []
  for (const file of readdirSync(dist, { recursive: true })
    .filter(file => file.endsWith('.bench.js'))
    .sort())
    benches.push(await import(pathToFileURL(path.join(dist, file)).href))
  // A bench that says how long it takes is run by its name alone.
  const chosen = benches.filter(bench =>
    wanted.length === 0 ? bench.takes === undefined : wanted.includes(bench.name),
  )
  const unknown = wanted.filter(name => !benches.some(bench => bench.name === name))
  if (unknown.length > 0 || options.includes('--list'))
    throw new Sentence(
      `${unknown.length > 0 ? `No bench is called ${unknown.join(', ')}. ` : ''}There are: ${benches.map(bench => bench.name).join(', ')}.`,
    )

  let failed = 0
  for (const bench of chosen) {
    console.log(`\n== ${bench.name}`)
    const started = Date.now()
    try {
      // A bench prints its own figures; one that misses its stated ratio returns false.
      if ((await bench.run(options)) === false) failed++
    } catch (error) {
      failed++
      console.error(error)
    }
    console.log(`   ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
  if (wanted.length === 0)
    for (const { name, takes } of benches)
      if (takes !== undefined) console.log(`\n   left out: ${name}, which takes ${takes}: npm run bench -- ${name}`)
  return failed === 0 ? 0 : 1
})
