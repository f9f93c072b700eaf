import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { openLoopback } from './loopback.js'

const openssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    return false
  }
})()
const { test } = skipUnless(openssl, 'openssl is not installed')

let dir: string
const certificate = (name: string) => {
  const file = (kind: string) => path.join(dir, `${name}.${kind}`)
  const subject = ['-subj', `/CN=${name}.example.org`, '-keyout', file('key'), '-out', file('crt')]
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject],
    { stdio: 'ignore' },
  )
  return { cert: file('crt'), key: file('key') }
}
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'keepsake-tls-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('requests and bodies pass to the gateway that shows our certificate, and to no other', async () => {
  const ours = certificate('ours')
  const theirs = certificate('theirs')
  const server = createServer({ cert: readFileSync(ours.cert), key: readFileSync(ours.key) }, (request, response) => {
    response.writeHead(201, { 'x-path': request.url })
    request.pipe(response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }

  const good = await openLoopback('127.0.0.1', port, ours.cert)
  for (const body of ['x'.repeat(300_000), 'y']) {
    const answer = await fetch(`${good.url}/v1/x?y=1`, { method: 'POST', body })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('x-path')).toBe('/v1/x?y=1')
    expect(await answer.text()).toBe(body)
  }
  await good.close()

  const bad = await openLoopback('127.0.0.1', port, theirs.cert)
  expect((await fetch(bad.url)).status).toBe(502)
  await bad.close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})
