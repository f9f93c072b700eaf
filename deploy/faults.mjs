// `npm run faults -- --seed N`: a whole Keepsake on three brokers, MinIO and Postgres of its own, while things go wrong (deploy/faults).
import { main, root, Sentence } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const { faults } = await import('./faults/dist/main.js')
  try {
    return await faults(args, line => console.log(line), root)
  } catch (error) {
    throw ['Sentence', 'Error', 'TypeError'].includes(error.name) && !error.stack.includes('deploy/faults/dist/run')
      ? new Sentence(error.message)
      : error
  }
})
