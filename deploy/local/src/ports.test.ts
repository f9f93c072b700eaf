import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePorts, publicPort } from './ports.js'

test('a taken port is said in one sentence, 0 takes any', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await expect(publicPort('127.0.0.1', port)).rejects.toThrow(
    `Port ${port} on 127.0.0.1 is taken by another program: choose another with --port.`,
  )
  await new Promise(resolve => server.close(resolve))
  expect(await publicPort('127.0.0.1', port)).toBe(port)
  expect(await publicPort('127.0.0.1', 0)).toBeGreaterThan(0)
})

test('a host that is not this machine is said in one sentence', async () => {
  await expect(publicPort('203.0.113.7', 0)).rejects.toThrow('no address 203.0.113.7')
})

test('free ports are all different', async () => {
  expect(new Set(await freePorts(16)).size).toBe(16)
})
