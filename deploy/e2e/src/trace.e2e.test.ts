import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Album } from './album.js'
import { settled, upload } from './album-client.js'
import type { Family } from './api-types.js'
import { pictureFolder } from './pictures.js'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
}

interface Export {
  resourceSpans?: { scopeSpans?: { spans?: Span[] }[] }[]
}

describe('one trace follows a photo from its upload to its rating', () => {
  const spans: Span[] = []
  let collector: Server
  let album: Album

  beforeAll(async () => {
    collector = createServer((request, response) => {
      void text(request).then(body => {
        if (request.url === '/v1/traces')
          spans.push(
            ...((JSON.parse(body) as Export).resourceSpans ?? []).flatMap(
              resource => resource.scopeSpans?.flatMap(scope => scope.spans ?? []) ?? [],
            ),
          )
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
    await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
    album = await Album.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } })
    const api = await album.signIn()
    const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'trace' } })
    const [file = ''] = await pictureFolder(path.join(album.home, 'pictures'), 1)
    await upload(api, family, file)
    await settled(api, family)
  })
  afterAll(async () => {
    await album?.remove()
    collector?.close()
  })

  test('HTTP, gRPC, the event log, inference workers and the rating are joined', async () => {
    const wanted = [
      /FinishUpload/,
      /^event media\.accepted/,
      /^event media\.ingested/,
      /^inference\.session/,
      /^event faces\.detected/,
      /^event media\.changed/,
      /^event media\.rated/,
    ]
    // Spans arrive in batches, children before their parents: the trace is whole when one span alone has no parent here.
    const roots = await until(
      () => {
        const traces = new Map<string, Span[]>()
        for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span])
        const trace = [...traces.values()].find(each => wanted.every(name => each.some(span => name.test(span.name))))
        const ids = new Set(trace?.map(span => span.spanId))
        const parentless = trace?.filter(span => !span.parentSpanId || !ids.has(span.parentSpanId)) ?? []
        return parentless.length === 1 && parentless
      },
      { deadlineMs: 30_000, everyMs: 200, what: 'one trace that holds every stage under one root' },
    ).catch((error: unknown) => {
      const seen = [...new Set(spans.map(span => `${span.traceId.slice(0, 6)} ${span.name}`))].sort().join('\n')
      throw new Error(`${(error as Error).message}\n${seen}`)
    })
    expect(roots[0]?.name).toMatch(/^(PATCH|POST) .*uploads/)
  })
})
