#!/usr/bin/env node
// The operator's command line: backup, restore, dead letters, erasures. Builds itself on a fresh clone.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { main, root } from '../bootstrap.mjs'
import { buildOrThrow } from '../build.mjs'

await main(async args => {
  await buildOrThrow({ quiet: true })
  const { run } = await import(pathToFileURL(path.join(root, 'deploy', 'admin', 'dist', 'commands.js')).href)
  return run(args, { env: process.env, cwd: process.env.INIT_CWD ?? process.cwd() })
})
