// `node deploy/metrics.mjs`: writes libs/telemetry/METRICS.md from the declarations in every metrics.ts (after a build).
//   --check  only says whether it is current
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { main, root } from './bootstrap.mjs'

const file = path.join(root, 'libs', 'telemetry', 'METRICS.md')

/** Every declaration of libs and services as one Markdown document. */
export async function metricsDocument() {
  for (const folder of ['libs', 'services'])
    for (const name of readdirSync(path.join(root, folder)).sort()) {
      if (!existsSync(path.join(root, folder, name, 'src', 'metrics.ts'))) continue
      await import(pathToFileURL(path.join(root, folder, name, 'dist', 'metrics.js')).href)
    }
  await import(pathToFileURL(path.join(root, 'libs', 'telemetry', 'dist', 'process-metrics.js')).href)
  const { metricsTable } = await import(pathToFileURL(path.join(root, 'libs', 'telemetry', 'dist', 'index.js')).href)
  const text = `# Metrics

What Keepsake measures, by owner: made by \`node deploy/metrics.mjs\` from the \`metrics.ts\` of each library and service, not by hand.
Each process shows its own at \`/metrics\` of its internal port. No label names a family, a person or a file.

${metricsTable()}`
  return format(text, { ...(await resolveConfig(file)), filepath: file })
}

if (process.argv[1] === import.meta.filename)
  await main(async args => {
    const wanted = await metricsDocument()
    if (existsSync(file) && readFileSync(file, 'utf8') === wanted) return 0
    if (args.includes('--check')) {
      console.log('libs/telemetry/METRICS.md is not current: run node deploy/metrics.mjs')
      return 1
    }
    writeFileSync(file, wanted)
    return 0
  })
