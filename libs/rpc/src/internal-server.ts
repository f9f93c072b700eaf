import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { AddressInfo } from 'node:net'
import { metricsText } from '@keepsake/telemetry'
import type { Readiness } from './readiness.js'

/** The port for the operator, never for the public: /livez, /readyz, /metrics. */
export interface InternalServer {
  readonly url: string
  close(): Promise<void>
}

// A loop that is late by so much on average since the last look does no work in time any more, in milliseconds.
const deadLagMs = 2000

/**
 * Serves /livez (the event loop runs, and not seconds behind its timers; nothing else can make it say no), /readyz (nothing is missing, else a line for each thing that
 * is) and /metrics (Prometheus).
 */
export async function startInternalServer(
  listen: string,
  readiness: Pick<Readiness, 'problems'>,
): Promise<InternalServer> {
  const lag = monitorEventLoopDelay({ resolution: 20 })
  lag.enable()
  const alive = (): [number, string] => {
    const mean = Number.isNaN(lag.mean) ? 0 : lag.mean / 1e6
    const text = `event loop late by ${mean.toFixed(0)} ms, at most ${(lag.max / 1e6).toFixed(0)} ms\n`
    lag.reset()
    return mean < deadLagMs ? [200, `ok ${text}`] : [503, text]
  }
  const server = createServer((request, response) => {
    const send = (code: number, body: string) =>
      response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(body)
    void (async () => {
      if (request.url === '/livez') return send(...alive())
      if (request.url === '/metrics') return send(200, await metricsText())
      if (request.url !== '/readyz') return send(404, 'not found\n')
      const problems = await readiness.problems()
      return problems.length === 0 ? send(200, 'ok\n') : send(503, problems.map(line => `${line}\n`).join(''))
    })().catch(() => send(500, 'error\n'))
  })
  const { host, port } = splitAddress(listen)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const bound = server.address() as AddressInfo
  return {
    url: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise(resolve => {
        lag.disable()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** host:port, IPv6 in brackets. Throws where there is no port. */
export function splitAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address)
  if (match === null) throw new Error(`${address} is not host:port`)
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}
