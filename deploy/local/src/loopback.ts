import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Agent, request } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** A plain way to an HTTPS gateway of this machine, for this process alone. */
export interface Loopback {
  url: string
  close(): Promise<void>
}

/**
 * Forwards plain requests on a port of the loopback to the gateway's HTTPS port. The album's certificate names the
 * album's public host (or is self-made), so it is not checked against 127.0.0.1: the gateway must show the very certificate
 * that it was given.
 */
export async function openLoopback(host: string, port: number, certFile: string): Promise<Loopback> {
  const expected = new X509Certificate(readFileSync(certFile)).fingerprint256
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  const server = createServer((incoming, answer) => {
    const { method, url: path, headers } = incoming
    const outgoing = request({ host, port, method, path, headers, agent })
    const fail = () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end())
    outgoing.once('error', fail)
    outgoing.once('socket', (socket: TLSSocket) => {
      const check = () => {
        if (socket.getPeerX509Certificate()?.fingerprint256 !== expected)
          outgoing.destroy(new Error('another certificate'))
      }
      if (socket.getPeerX509Certificate()) check()
      else socket.once('secureConnect', check)
    })
    outgoing.once('response', response => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer).once('error', fail)
    })
    incoming.pipe(outgoing)
    answer.once('close', () => outgoing.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: async () => {
      agent.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
