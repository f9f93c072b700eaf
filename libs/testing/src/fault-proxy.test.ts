import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FaultProxy } from './fault-proxy.js'
import { seededRandom } from './seeded-random.js'
import { until } from './until.js'

let echo: Server
let proxy: FaultProxy
let client: Socket
let said: string
/** The target's ends of connections. */
let peers: Socket[]

beforeEach(async () => {
  peers = []
  echo = createServer({ allowHalfOpen: true }, socket => {
    peers.push(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  proxy = await FaultProxy.listen((echo.address() as AddressInfo).port)
  await open()
})

afterEach(async () => {
  client.destroy()
  await proxy.close()
  echo.close()
})

async function open(): Promise<void> {
  said = ''
  client = connect({ port: proxy.port, host: '127.0.0.1' })
  client.on('error', () => undefined)
  client.on('data', chunk => (said += chunk.toString()))
  await once(client, 'connect')
}

const heard = (text: string) => until(() => said === text, { deadlineMs: 5_000 })

test('undisturbed it passes everything on, and the end too', async () => {
  const much = 'x'.repeat(300_000)
  client.end(much)
  await once(client, 'end')
  expect(said).toBe(much)
})

test('a cut resets what is open, and a new connection is taken', async () => {
  client.write('one')
  await heard('one')
  const closed = new Promise(resolve => client.once('close', resolve))
  expect(proxy.cut()).toBe(1)
  await closed
  await open()
  client.write('two')
  await heard('two')
})

test('stalled, nothing passes; healed, everything comes in order', async () => {
  client.write('one')
  await heard('one')
  proxy.disturb({ stalled: true })
  client.write('two')
  client.write('three')
  // Nothing can be waited for where nothing is to come: some moments, in which it would have.
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(said).toBe('one')
  proxy.heal()
  await heard('onetwothree')
})

test('delayed and throttled, bytes take their time', async () => {
  proxy.disturb({ delayMs: 50 })
  let began = performance.now()
  client.write('one')
  await heard('one')
  expect(performance.now() - began).toBeGreaterThan(95) // there and back
  proxy.disturb({ bytesPerSecond: 100_000 })
  began = performance.now()
  client.write('y'.repeat(20_000))
  await until(() => said.length === 20_003, { deadlineMs: 5_000 })
  expect(performance.now() - began).toBeGreaterThan(190)
})

test('refusing, a new connection is reset', async () => {
  proxy.disturb({ refusing: true })
  const other = connect({ port: proxy.port, host: '127.0.0.1' })
  const [error] = (await once(other, 'error').catch(reason => [reason])) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
})

test('nothing of a connection is left, whatever happened to it', async () => {
  const random = seededRandom(1)
  const below = (end: number) => Math.floor(random.next() * end)
  const clients = new Set<Socket>([client])
  for (let step = 0; step < 600; step++) {
    if (below(3) === 0) {
      const other = connect({ port: proxy.port, host: '127.0.0.1' })
      other.on('error', () => undefined)
      other.once('close', () => clients.delete(other))
      other.resume()
      clients.add(other)
    }
    for (const each of clients) {
      const what = below(12)
      if (what === 0) each.write(Buffer.alloc(below(300_000)))
      else if (what === 1) each.end(Buffer.alloc(below(3000)))
      else if (what === 2 && below(3) === 0) each.destroy()
    }
    for (const peer of peers) {
      const what = below(40)
      if (what === 0) peer.destroy()
      else if (what === 1) peer.end()
    }
    const what = below(30)
    if (what === 0) proxy.cut()
    else if (what === 1) proxy.disturb({ stalled: true })
    else if (what === 2) proxy.disturb({ refusing: true })
    else if (what <= 5) proxy.heal()
    if (below(2) === 0) await new Promise(resolve => setTimeout(resolve, below(3)))
  }
  await proxy.close()
  for (const each of [...clients, ...peers]) each.destroy()
  const sockets = () => process.getActiveResourcesInfo().filter(each => each === 'TCPSocketWrap').length
  await until(() => sockets() === 0, { deadlineMs: 5_000, what: 'the sockets of the connections to go' })
})
