import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '@keepsake/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePorts } from './ports.js'
import { restartDelayMs, serviceNames, startProcesses, type ServiceName } from './services.js'

let dir: string
let main: string
let environments: Record<ServiceName, Record<string, string>>
beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'keepsake-fleet-'))
  main = path.join(dir, 'main.mjs')
  // A service as the supervisor sees one: answers /readyz, ends at SIGTERM.
  writeFileSync(
    main,
    `import { createServer } from 'node:http'
     const [host, port] = process.env.KEEPSAKE_INTERNAL_LISTEN.split(':')
     createServer((_, answer) => answer.end('ok')).listen(Number(port), host)
     process.on('SIGTERM', () => process.exit(0))`,
  )
  const ports = await freePorts(serviceNames.length)
  const made: Record<string, Record<string, string>> = Object.fromEntries(
    serviceNames.map((name, i) => [name, { KEEPSAKE_INTERNAL_LISTEN: `127.0.0.1:${ports[i]}` }]),
  )
  environments = made as Record<ServiceName, Record<string, string>>
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a killed service is started again, and closing leaves no process behind', async () => {
  let changes = 0
  const fleet = await startProcesses({
    environmentOf: name => environments[name],
    logs: dir,
    changed: () => changes++,
    mainOf: () => main,
  })
  const before = fleet.state()['rating']
  process.kill(before?.pid ?? 0, 'SIGKILL')
  await until(() => fleet.state()['rating']?.restarts === 1 && fleet.state()['rating']?.pid !== before?.pid, {
    deadlineMs: 10_000,
  })
  await until(
    () =>
      fetch(`${fleet.state()['rating']?.internalUrl}/readyz`).then(
        answer => answer.ok,
        () => false,
      ),
    { deadlineMs: 10_000 },
  )
  expect(changes).toBeGreaterThan(serviceNames.length)
  const pids = Object.values(fleet.state()).map(each => each.pid)
  expect(new Set(pids).size).toBe(serviceNames.length)
  await fleet.close()
  expect(pids.filter(alive)).toEqual([])
})

test('processes are added and removed while the others go on; callers are told only of those that are ready', async () => {
  const addresses: Partial<Record<ServiceName, readonly string[]>> = {}
  const fleet = await startProcesses({
    replicas: { face: 2 },
    environmentOf: async (name, number) => {
      const [grpc = 0, internal = 0] = await freePorts(2)
      return number === 1
        ? environments[name]
        : { KEEPSAKE_GRPC_LISTEN: `127.0.0.1:${grpc}`, KEEPSAKE_INTERNAL_LISTEN: `127.0.0.1:${internal}` }
    },
    logs: dir,
    changed: () => undefined,
    addressed: (name, list) => (addresses[name] = list),
    mainOf: () => main,
  })
  const faces = () => Object.keys(fleet.state()).filter(name => name.startsWith('face'))
  expect(faces()).toEqual(['face', 'face-2'])
  const first = fleet.state()['face']?.pid
  await Promise.all([fleet.scale('face', 4), fleet.scale('face', 3)])
  expect(faces()).toEqual(['face', 'face-2', 'face-3'])
  expect(addresses.face?.length).toBe(3)
  const last = fleet.state()['face-3']?.pid ?? 0
  await fleet.scale('face', 1)
  expect(faces()).toEqual(['face'])
  expect(addresses.face?.length).toBe(1)
  expect(fleet.state()['face']?.pid).toBe(first)
  expect(alive(last)).toBe(false)
  await fleet.close()
})

test('kill -9 of the runner ends the services too', async () => {
  const script = `
    const { startProcesses } = await import(${JSON.stringify(new URL('./services.js', import.meta.url).href)})
    const fleet = await startProcesses({
      environmentOf: name => (${JSON.stringify(environments)})[name],
      logs: ${JSON.stringify(dir)}, changed: () => {}, mainOf: () => ${JSON.stringify(main)},
    })
    console.log(JSON.stringify(Object.values(fleet.state()).map(each => each.pid)))`
  const runner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pids = await new Promise<number[]>(resolve =>
    runner.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString()) as number[])),
  )
  expect(pids.every(alive)).toBe(true)
  runner.kill('SIGKILL')
  await until(() => !pids.some(alive), { deadlineMs: 10_000 })
})

test('a service that does not start is named, and the others are stopped', async () => {
  const broken = path.join(dir, 'broken.mjs')
  writeFileSync(broken, 'process.exit(1)')
  const starting = startProcesses({
    environmentOf: name => environments[name],
    logs: dir,
    changed: () => undefined,
    mainOf: name => (name === 'render' ? broken : main),
  })
  await expect(starting).rejects.toThrow(/The render service does not start: see .*render\.log/)
})

test('the wait before another start doubles up to ten seconds', () => {
  expect([1, 2, 3, 8, 50].map(restartDelayMs)).toEqual([100, 200, 400, 10_000, 10_000])
})
