import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { skipUnless } from '@keepsake/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

const repository = fileURLToPath(new URL('../../../', import.meta.url))

let dir: string
let home: string
const cleanups: (() => void)[] = []
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'keepsake-mishap-'))
  home = path.join(dir, 'album')
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
})
afterEach(() => {
  for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) cleanup()
})

/** `npm start` with these words until it ends by itself. */
function start(...args: string[]): Promise<{ status: number | null; said: string; errors: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, ['deploy/start.mjs', '--home', home, '--exit', ...args], {
      cwd: repository,
      env: { ...process.env, KEEPSAKE_PASSWORD: 'correct horse battery' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.once('close', status => resolve({ status, said, errors }))
  })
}

/** One line, without a stack. */
const oneSentence = (text: string) => text.trim().split('\n').length === 1 && !/\n\s+at /.test(text)

/** A small disk of its own at `home`; only root may make one. */
function smallDisk(options: string): void {
  mkdirSync(home)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', home])
  if (mounted.status !== 0) throw new Error(mounted.stderr.toString())
  cleanups.push(() => spawnSync('umount', ['-l', home]))
}
const canMount = (() => {
  if (process.getuid?.() !== 0) return false
  const folder = mkdtempSync(path.join(tmpdir(), 'keepsake-mount-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
  if (status === 0) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return status === 0
})()
const disk = skipUnless(canMount, 'no disk may be mounted here')

test('an occupied port is one sentence, and nothing is left in the home', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const { status, errors } = await start('--port', String(port))
  server.close()
  expect(status).toBe(1)
  expect(errors).toContain(`Port ${port} on 127.0.0.1 is taken`)
  expect(oneSentence(errors), errors).toBe(true)
})

disk.test('a full disk is one sentence', async () => {
  smallDisk('size=16m')
  const { status, errors } = await start('--port', '0')
  expect(status).toBe(1)
  expect(errors).toContain('There is no space left on the disk')
  expect(oneSentence(errors), errors).toBe(true)
})

disk.test('a home that cannot be written is one sentence', async () => {
  smallDisk('size=1m,ro')
  const { status, errors } = await start('--port', '0')
  expect(status).toBe(1)
  expect(errors).toContain('cannot write to')
  expect(oneSentence(errors), errors).toBe(true)
})

test('an old schema is one sentence, and the home stays as it was', async () => {
  mkdirSync(home)
  writeFileSync(path.join(home, 'keepsake.json'), '{"schema": 0}')
  const { status, errors } = await start('--port', '0')
  expect(status).toBe(1)
  expect(errors).toContain('old schema 0')
  expect(oneSentence(errors), errors).toBe(true)
  expect(readdirSync(home)).toEqual(['keepsake.json'])
})

test('a folder that is not there is one sentence, and no home is made', async () => {
  const { status, errors } = await start('import', path.join(dir, 'nothing'))
  expect(status).toBe(1)
  expect(errors).toContain('There is no folder')
  expect(oneSentence(errors), errors).toBe(true)
  expect(readdirSync(dir)).toEqual([])
})

test('a wrong password is one sentence; a damaged model is made again and said; both leave the album whole', async () => {
  const first = await start('--port', '0', '--owner', 'a@example.org')
  expect(first.status, first.errors).toBe(0)
  expect(first.said).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+$/m)

  const model = path.join(
    home,
    'models',
    readdirSync(path.join(home, 'models')).find(name => name.endsWith('.onnx')) ?? '',
  )
  const whole = readFileSync(model)
  writeFileSync(model, whole.subarray(0, whole.length - 1000))
  const second = await start('--port', '0')
  expect(second.status, second.errors).toBe(0)
  expect(second.said).toContain(path.basename(model, '.onnx'))
  expect(readFileSync(model).equals(whole)).toBe(true)

  const withAnother = (...options: string[]) =>
    new Promise<{ status: number | null; errors: string }>(resolve => {
      const args = ['deploy/start.mjs', '--home', home, '--port', '0', '--exit', ...options]
      const child = spawn(process.execPath, args, {
        cwd: repository,
        env: { ...process.env, KEEPSAKE_PASSWORD: 'another one altogether' },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let errors = ''
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
      child.once('close', status => resolve({ status, errors }))
    })
  const third = await withAnother()
  expect(third.status).toBe(1)
  expect(third.errors).toContain('The password in KEEPSAKE_PASSWORD is not the one')
  expect(oneSentence(third.errors), third.errors).toBe(true)
  // Whoever lost it sets another one.
  const fourth = await withAnother('--new-password')
  expect(fourth.status, fourth.errors).toBe(0)
}, 240_000)
