#!/usr/bin/env node
// The command line of Keepsake. Builds itself on a fresh clone, then talks to the public API only.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { main, root } from '../bootstrap.mjs'
import { buildOrThrow } from '../build.mjs'

await main(async args => {
  await buildOrThrow({ quiet: true })
  const { run } = await import(pathToFileURL(path.join(root, 'deploy', 'cli', 'dist', 'commands.js')).href)
  return run(args, process.env)
})
