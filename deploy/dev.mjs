// `npm run dev [-- options of npm start]`: compiles on every change and starts Keepsake again when the compiler is content.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { main, root } from './bootstrap.mjs'
import { build } from './build.mjs'

await main(async args => {
  await build() // protos, kernel and web; a type error is shown again by the watcher below
  const watcher = spawn(path.join(root, 'node_modules', '.bin', 'tsc'), ['-b', '-w', '--preserveWatchOutput'], {
    cwd: root,
  })
  let app
  let turn = Promise.resolve()

  /** Stops the running Keepsake, if any, and starts it from what was just compiled. */
  const restart = async () => {
    if (app && app.exitCode === null && app.signalCode === null) {
      const gone = new Promise(resolve => app.once('exit', resolve))
      app.kill('SIGTERM')
      await gone
    }
    app = spawn(process.execPath, ['deploy/local/dist/main.js', ...args], { cwd: root, stdio: 'inherit' })
  }

  let text = ''
  watcher.stdout.on('data', chunk => {
    process.stdout.write(chunk)
    text += chunk
    if (!/Found \d+ errors?\. Watching/.test(text)) return
    if (/Found 0 errors\. Watching/.test(text)) turn = turn.then(restart)
    text = ''
  })
  watcher.stderr.pipe(process.stderr)

  await new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve)
    watcher.once('exit', resolve)
  })
  watcher.kill()
  app?.kill('SIGTERM')
  if (app && app.exitCode === null) await new Promise(resolve => app.once('exit', resolve))
  return 0
})
