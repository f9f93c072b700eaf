import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentTrace, span, startTelemetry } from '@keepsake/telemetry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openModelFiles } from './open-inference.js'
import { TINY_BYTES, TINY_SIZE, tinySumModel } from './testing/tiny-models.js'

let dir: string
let collector: Server
const received: string[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keepsake-inference-'))
  await writeFile(join(dir, 'sum.onnx'), tinySumModel())
  collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === '/v1/traces') received.push(Buffer.concat(chunks).toString())
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  collector.close()
  await rm(dir, { recursive: true })
})

test("a span inside the worker joins the caller's trace", async () => {
  // An exporter that throws away makes this process sample its traces; the worker follows its parent's decision.
  const spanExporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: async () => {},
  }
  const telemetry = startTelemetry('test', {}, { spanExporter })
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  const models = { sum: { file: join(dir, 'sum.onnx'), size: TINY_SIZE, outputs: { sum: 1 }, cost: 1, maxRows: 8 } }
  const inference = openModelFiles(models, { workers: 1, env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } })
  const traceId = await span('caller', async () => {
    await inference.run('sum', { rows: 1, data: new Uint8Array(TINY_BYTES) }, { deadline: Date.now() + 20_000 })
    return currentTrace()?.traceId
  })
  await inference.close()
  await telemetry.shutdown()
  const joined = received.filter(body => body.includes('inference.session'))
  expect(joined.length).toBeGreaterThan(0)
  expect(joined.join()).toContain(traceId)
})
