import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Http2Stream } from 'node:http2'
import { Module } from '@nestjs/common'
import { expect, test } from 'vitest'
import { createClient, generateIdentityKeys, identityEnv, runService, ServiceIdentity } from './index.js'
import { EchoLog, EchoRpc, EchoService } from './testing/echo.js'

@Module({})
class EchoModule {}

test('once a call is over nothing hangs on its stream any more, at either end', async () => {
  const keys = generateIdentityKeys(['echo', 'album'])
  const streams: Http2Stream[] = []
  const see = (message: unknown) => streams.push((message as { stream: Http2Stream }).stream)
  const channels = ['http2.client.stream.created', 'http2.server.stream.created']
  for (const channel of channels) subscribe(channel, see)
  const service = await runService({
    name: 'echo',
    env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'silent' },
    module: { module: EchoModule, controllers: [EchoRpc], providers: [{ provide: EchoLog, useValue: new EchoLog() }] },
    rpc: [EchoService],
  })
  const client = createClient(
    EchoService,
    service.address,
    ServiceIdentity.fromEnv('album', identityEnv(keys, 'album')),
  )
  try {
    const options = { familyId: 'f', deadlineMs: 5_000 }
    await expect(client.getEcho({ text: 'a' }, options)).resolves.toMatchObject({ text: 'a' })
    await expect(client.getEcho({ text: 'bug' }, options)).rejects.toMatchObject({ code: 'INTERNAL' })
    const heard: string[] = []
    for await (const { text } of client.listEchoes({ text: 'b' }, options)) heard.push(text)
    expect(heard).toEqual(['b0', 'b1', 'b2'])
    expect(streams.length).toBe(6)
    const listeners = () => streams.flatMap(stream => stream.eventNames())
    await expect.poll(listeners, { timeout: 10_000 }).toEqual([])
  } finally {
    for (const channel of channels) unsubscribe(channel, see)
    client.close()
    await service.close()
  }
})
