import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

// Below the range from which Linux takes ports for outgoing connections (32768): a port stays free while its server is down.
const lowest = 20_000
const highest = 32_700

/** Several different ports of the loopback that nobody has at this moment, and that no outgoing connection will take. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  const ports: number[] = []
  try {
    for (let tries = 0; ports.length < count; tries++) {
      if (tries > 1000) throw new Error(`there are no ${count} free ports from ${lowest} to ${highest}`)
      const port = randomInt(lowest, highest)
      const server = await listen(port)
      if (!server) continue
      held.push(server)
      ports.push(port)
    }
    return ports
  } finally {
    // Given back together, so that none is handed out twice.
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
}

/** Whether nobody listens on a port of the loopback. */
export async function isFree(port: number): Promise<boolean> {
  const server = await listen(port)
  if (!server) return false
  await new Promise(resolve => server.close(resolve))
  return true
}

const listen = (port: number) =>
  new Promise<Server | undefined>((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
