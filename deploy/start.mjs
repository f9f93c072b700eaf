// `npm start`: installs and builds what is missing, then hands over to deploy/local.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { main, root } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const entry = path.join(root, 'deploy', 'local', 'dist', 'main.js')
  if (!existsSync(entry)) throw new Error(`${entry} is missing although the build passed`)
  const { start } = await import(pathToFileURL(entry).href)
  return start(args, { env: process.env, cwd: process.env.INIT_CWD ?? process.cwd() })
})
