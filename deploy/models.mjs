// `npm run models [-- DIR]`: prepares the model files (default .keepsake/models) from the weights of the npm packages.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { main, root } from './bootstrap.mjs'
import { buildOrThrow } from './build.mjs'

await main(async args => {
  await buildOrThrow()
  const { prepareModels } = await import(pathToFileURL(path.join(root, 'deploy', 'local', 'dist', 'models.js')).href)
  await prepareModels(path.resolve(process.env.INIT_CWD ?? process.cwd(), args[0] ?? '.keepsake/models'), line =>
    console.log(line),
  )
  return 0
})
