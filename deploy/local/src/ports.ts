import { createServer } from 'node:net'
import { Sentence } from './sentence.js'

/** A port of the loopback that nobody has at this moment. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  return (await tryPort(host, 0)) as number
}

/** Several different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  // Opened together and closed together, so that the system does not hand out the same one twice.
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** The port to serve on: the wanted one, or any for 0. A Sentence where it is taken or not allowed. */
export async function publicPort(host: string, port: number): Promise<number> {
  return tryPort(host, port).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new Sentence(`Port ${port} on ${host} is taken by another program: choose another with --port.`)
    if (code === 'EACCES') throw new Sentence(`Port ${port} may not be used by you: choose one above 1023 with --port.`)
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
      throw new Sentence(`This machine has no address ${host}: choose another with --host.`)
    throw error
  })
}

async function tryPort(host: string, port: number): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  const taken = (server.address() as { port: number }).port
  await new Promise(resolve => server.close(resolve))
  return taken
}
