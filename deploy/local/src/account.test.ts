import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { openAccount } from './account.js'
import type { Album } from './album.js'
import { parseOptions } from './options.js'

const options = parseOptions([], { env: {}, cwd: '/', root: '/' })!

/** An album whose family service gives a new sign-in at every call, and whose API takes the latest alone. */
async function albumOf(owner?: string) {
  const calls: { email: string; password: string; newPassword: boolean; plan?: string }[] = []
  let valid = ''
  const server = createServer((request, response) => {
    const ok = request.headers.authorization === `Bearer ${valid}`
    response.writeHead(ok ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(ok ? { fine: true } : { code: 'TOKEN_INVALID' }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const album = {
    localUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    operator: () => ({
      bootstrap: (request: (typeof calls)[number]) => {
        calls.push(request)
        const email = owner ?? request.email
        if (email === '') return Promise.resolve({ accountCreated: false, familyCreated: false })
        valid = `sign-in ${calls.length}`
        return Promise.resolve({
          account: { id: 'a', email, name: 'A' },
          family: { id: 'f', name: 'F' },
          tokens: { accessToken: valid, refreshToken: valid, expiresAt: new Date(Date.now() + 900_000) },
          accountCreated: owner === undefined,
          familyCreated: owner === undefined,
        })
      },
    }),
  } as unknown as Album
  return {
    album,
    calls,
    endSignIns: () => (valid = 'none'),
    close: () => new Promise(resolve => server.close(resolve).closeAllConnections()),
  }
}

test('an import goes on when the owner changes the password, which ends every sign-in', async () => {
  const { album, calls, endSignIns, close } = await albumOf('a@example.org')
  const { api } = await openAccount({ ...options, plan: 'free' }, album, () => undefined)
  expect(await api.get('/v1/families')).toEqual({ fine: true })
  endSignIns()
  expect(await api.get('/v1/families')).toEqual({ fine: true })
  expect(calls.map(call => [call.email, call.password, call.newPassword])).toEqual([
    ['', '', false],
    ['a@example.org', '', false],
  ])
  // Who changed the plan meanwhile keeps it.
  expect(calls.map(call => call.plan)).toEqual(['free', undefined])
  await close()
})

test('an owner is made where there is none, and a password that was made is said once', async () => {
  const { album, calls, close } = await albumOf()
  const said: string[] = []
  const { email } = await openAccount(options, album, line => said.push(line))
  expect(email).toBe('owner@keepsake.local')
  expect(said).toEqual([
    `The album's owner is owner@keepsake.local, with the password ${calls.at(-1)?.password} (shown once: keep it).`,
  ])
  await close()
})

test('--new-password makes one and says it, or takes the one of the environment', async () => {
  for (const password of [undefined, 'battery staple']) {
    const { album, calls, close } = await albumOf('a@example.org')
    const said: string[] = []
    await openAccount({ ...options, password, newPassword: true }, album, line => said.push(line))
    expect(calls).toMatchObject([{ newPassword: true }])
    expect(said[0]).toContain(password === undefined ? `is ${calls[0]?.password} (shown once` : 'KEEPSAKE_PASSWORD')
    if (password !== undefined) expect(calls[0]?.password).toBe(password)
    await close()
  }
})
