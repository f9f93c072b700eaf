import type { Call } from '../call.js'
import type { MethodDefinition, RpcHandlers } from '../types.js'
import { RpcService } from '../rpc-service.js'
import { KeepsakeError } from '../keepsake-error.js'

/** A request of the test service. */
export interface EchoRequest {
  text: string
}

/** Its answer. */
export interface EchoResponse {
  text: string
  caller: string
  /** Epoch milliseconds of the deadline that the handler saw. */
  deadline: number
}

const json = {
  to: (value: unknown) => Buffer.from(JSON.stringify(value)),
  from: <T>(bytes: Buffer) => JSON.parse(bytes.toString()) as T,
}

const method = <S extends boolean>(name: string, responseStream: S) => ({
  path: `/keepsake.test.v1.EchoService/${name}`,
  requestStream: false as const,
  responseStream,
  requestSerialize: (value: EchoRequest) => json.to(value),
  requestDeserialize: (bytes: Buffer) => json.from<EchoRequest>(bytes),
  responseSerialize: (value: EchoResponse) => json.to(value),
  responseDeserialize: (bytes: Buffer) => json.from<EchoResponse>(bytes),
})

/** A definition in the shape that ts-proto generates, with JSON on the wire. */
export const EchoService = {
  getEcho: method('GetEcho', false),
  setEcho: method('SetEcho', false),
  listEchoes: method('ListEchoes', true),
} satisfies Record<string, MethodDefinition>

/** What the handlers did, for assertions. */
export class EchoLog {
  readonly aborted: string[] = []
  readonly calls: string[] = []
  /** Failures that setEcho and getEcho still have to throw. */
  failures: KeepsakeError[] = []
  /** Resolves held calls. */
  release: () => void = () => {}
}

/** Answers echoes: `hold` waits for release or abort, `work` for release alone, `bug` throws what is no KeepsakeError. */
@RpcService(EchoService)
export class EchoRpc implements RpcHandlers<typeof EchoService> {
  constructor(private readonly log: EchoLog) {}

  async getEcho(request: EchoRequest, call: Call): Promise<EchoResponse> {
    this.log.calls.push(request.text)
    const failure = this.log.failures.shift()
    if (failure !== undefined) throw failure
    if (request.text === 'hold') await this.hold(call)
    if (request.text === 'work') await this.work(call)
    if (request.text === 'bug') throw new TypeError('secret table of passwords')
    return { text: request.text, caller: JSON.stringify(call.caller), deadline: call.deadline }
  }

  setEcho(request: EchoRequest, call: Call): Promise<EchoResponse> {
    return this.getEcho(request, call)
  }

  async *listEchoes(request: EchoRequest, call: Call): AsyncGenerator<EchoResponse> {
    for (let i = 0; i < 3; i++) yield { text: `${request.text}${i}`, caller: call.caller.kind, deadline: call.deadline }
    const failure = this.log.failures.shift()
    if (failure !== undefined) throw failure
  }

  /** Looks at the signal only once it is released. */
  private async work(call: Call): Promise<void> {
    await new Promise<void>(resolve => (this.log.release = resolve))
    if (call.signal.aborted) this.log.aborted.push((call.signal.reason as Error).name)
  }

  private hold(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      this.log.release = resolve
      call.signal.addEventListener('abort', () => {
        const reason = call.signal.reason as Error
        this.log.aborted.push(reason.name)
        reject(reason)
      })
    })
  }
}
