import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import { EchoService, type EchoRequest, type EchoResponse } from './echo.js'

/** GetEcho over grpc-js alone, with a deadline and nothing else: what the overhead of libs/rpc is measured against. */
export async function bareEcho(): Promise<{
  getEcho(request: EchoRequest): Promise<EchoResponse>
  close(): void
}> {
  const { path, requestSerialize, responseDeserialize } = EchoService.getEcho
  const server = new Server()
  server.addService({ getEcho: EchoService.getEcho } as never, {
    getEcho: (call: { request: EchoRequest }, reply: (error: null, answer: EchoResponse) => void) =>
      reply(null, { text: call.request.text, caller: '{"kind":"anonymous"}', deadline: 0 }),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  return {
    getEcho: request =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          new Metadata(),
          { deadline: Date.now() + 5000 },
          (error, answer) => (error ? reject(error) : resolve(answer as EchoResponse)),
        )
      }),
    close: () => {
      client.close()
      server.forceShutdown()
    },
  }
}
