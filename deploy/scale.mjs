// `node deploy/scale.mjs face=3 [--home DIR]`: other numbers of processes for a running `npm start -- --processes` or `--stack`.
import { main, root, Sentence } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const { scaleCommand } = await import('./local/dist/scale.js')
  try {
    return await scaleCommand(args, { cwd: process.env.INIT_CWD ?? process.cwd(), root })
  } catch (error) {
    throw error.name === 'Sentence' ? new Sentence(error.message) : error
  }
})
