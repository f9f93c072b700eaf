import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices'

/** A strategy that takes handlers the way Nest's own servers do. */
export type Transport = CustomTransportStrategy & Pick<Server, 'addHandler'>

/**
 * Several transports behind one Nest application, so that gRPC calls and events share providers without a second
 * container. Each transport sees every handler and picks its own by pattern.
 */
export class CompositeTransport extends Server implements CustomTransportStrategy {
  // A failing event handler is the event transport's to judge (retry, dead letter), not Nest's to log and forget.
  override readonly propagatesEventHandlerErrors = true

  constructor(private readonly transports: readonly Transport[]) {
    super()
  }

  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    for (const transport of this.transports) transport.addHandler(pattern, callback, isEventHandler, extras)
  }

  override listen(done: (error?: unknown) => void): void {
    Promise.all(
      this.transports.map(
        transport =>
          new Promise<void>((resolve, reject) => {
            transport.listen((error?: unknown) => (error ? reject(error as Error) : resolve()))
          }),
      ),
    ).then(() => done(), done)
  }

  override async close(): Promise<void> {
    await Promise.all(this.transports.map(transport => transport.close() as unknown))
  }

  override on(): void {
    // There are no transport events to listen to.
  }

  override unwrap<T>(): T {
    return this.transports as T
  }
}
