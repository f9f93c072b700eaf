// `npm run stack -- up|down|status|logs`: the servers that a distributed Keepsake runs on (deploy/stack), without Docker.
import { main, root, Sentence } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const { stackCommand } = await import('./stack/dist/index.js')
  try {
    return await stackCommand(args, {
      cwd: process.env.INIT_CWD ?? process.cwd(),
      root,
      say: line => console.log(line),
    })
  } catch (error) {
    throw error.name === 'Sentence' ? new Sentence(error.message) : error
  }
})
