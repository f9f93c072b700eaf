import { InMemorySpanExporter } from '@opentelemetry/sdk-trace'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  currentTrace,
  injectTrace,
  logger,
  setFamily,
  setLogFile,
  setLogLevel,
  span,
  startTelemetry,
  traceparent,
  withFamily,
  withTrace,
  type Telemetry,
} from './index.js'

const exporter = new InMemorySpanExporter()
let telemetry: Telemetry | undefined
const traceIdOf = (header: string) => header.split('-')[1]
afterEach(async () => {
  await telemetry?.shutdown()
  exporter.reset()
})

test('spans on both sides of a carrier are one trace, with the error on the one that failed', async () => {
  telemetry = startTelemetry('test', {}, { spanExporter: exporter })
  let carrier: Record<string, string> = {}
  await span('publish', async () => {
    carrier = injectTrace()
  })
  await expect(
    withTrace(carrier, () =>
      span('consume', async () => {
        throw new TypeError('no')
      }),
    ),
  ).rejects.toThrow('no')
  const [publish, consume] = exporter.getFinishedSpans()
  expect(consume?.parentSpanContext?.spanId).toBe(publish?.spanContext().spanId)
  expect(consume?.spanContext().traceId).toBe(publish?.spanContext().traceId)
  expect(consume?.status.message).toBe('TypeError')
})

test('without an exporter a trace still has one id everywhere', async () => {
  telemetry = startTelemetry('test', {})
  await span('a', async () => {
    const outer = currentTrace()
    expect(outer?.traceId).toMatch(/^[0-9a-f]{32}$/)
    const inner = await withTrace(injectTrace(), () => span('b', async () => currentTrace()))
    expect(inner?.traceId).toBe(outer?.traceId)
  })
})

test('the trace header is the one that the W3C propagator writes, whether spans are exported or not', async () => {
  for (const options of [{ spanExporter: exporter }, {}]) {
    telemetry = startTelemetry('test', {}, options)
    expect(traceparent()).toBeUndefined()
    await span('a', async () => {
      expect(traceparent()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
      expect({ traceparent: traceparent() }).toEqual(injectTrace())
    })
    await telemetry.shutdown()
  }
})

test('a call takes its ids with it, whether it is made in a trace or outside of any', async () => {
  for (const options of [{ spanExporter: exporter }, {}]) {
    telemetry = startTelemetry('test', {}, options)
    const call = () => span('call', async active => traceparent(active) ?? '', {}, 'client')
    const [one, other] = [await call(), await call()]
    expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
    expect(traceIdOf(other)).not.toBe(traceIdOf(one))
    await withTrace({ traceparent: one }, async () => {
      expect(currentTrace()?.traceId).toBe(traceIdOf(one))
      expect(traceIdOf(await call())).toBe(traceIdOf(one))
    })
    await telemetry.shutdown()
  }
})

test('a line of the log names the family of the work it was written in', async () => {
  telemetry = startTelemetry('test', {})
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'keepsake-log-')), 'log')
  setLogFile(file)
  setLogLevel('info')
  const log = logger('families')
  withTrace({}, () => {
    log.info('nobody is known yet')
    setFamily('f1')
    log.info('one is known')
    withFamily('f2', () => log.info('another'))
    log.info('the first again')
  })
  log.info('outside')
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  expect(lines.map(line => (JSON.parse(line) as { family_id?: string }).family_id)).toEqual([
    undefined,
    'f1',
    'f2',
    'f1',
    undefined,
  ])
  setLogLevel('fatal')
})

test('a log that is full is set aside while the process runs, and nothing is lost', async () => {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'keepsake-log-')), 'logs', 'log')
  setLogFile(file, 1000)
  setLogLevel('info')
  const log = logger('rotating')
  const count = 12 // one line is about 100 bytes
  for (let i = 0; i < count; i++) log.info({ i }, 'a line')
  const lines = [
    ...(await readFile(`${file}.1`, 'utf8')).trim().split('\n'),
    ...(await readFile(file, 'utf8')).trim().split('\n'),
  ]
  expect(lines.map(line => (JSON.parse(line) as { i: number }).i)).toEqual(Array.from({ length: count }, (_, i) => i))
  setLogLevel('fatal')
})

test('what the database quotes of people is not in the log', async () => {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'keepsake-log-')), 'log')
  setLogFile(file)
  setLogLevel('error')
  const refused = Object.assign(new Error('invalid input syntax for type date: "Hana, 2020"'), {
    severity: 'ERROR',
    routine: 'DateTimeParseError',
    code: '22007',
    detail: 'Key (email)=(hana@example.org) already exists.',
    where: "unnamed portal parameter $6 = 'our first day'",
  })
  logger('database').error({ err: refused }, 'it went wrong')
  const line = await readFile(file, 'utf8')
  for (const said of ['Hana', 'hana@', 'first day']) expect(line).not.toContain(said)
  expect(JSON.parse(line)).toMatchObject({ err: { code: '22007', message: 'invalid input syntax for type date' } })
})
