import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How bytes travel through a proxy; what is left out is undisturbed. */
export interface Disturbance {
  /** Nothing passes and nothing is closed, as where a cable is out: it goes on where it stopped. */
  stalled?: boolean
  /** Each chunk waits so long before it goes on, ms. */
  delayMs?: number
  /** Each connection carries so many bytes a second in each direction. */
  bytesPerSecond?: number
  /** New connections are reset at once. */
  refusing?: boolean
}

/** So much is passed at a time where bytes are throttled: slow, and still flowing. */
const throttledChunk = 4096

/**
 * A TCP proxy on the loopback that stands between two parts and disturbs what they say: connections are cut, bytes wait, trickle or stop. It neither
 * loses nor changes bytes inside a connection, as TCP does not either.
 */
export class FaultProxy {
  #now: Disturbance = {}
  #healed = new AbortController()
  readonly #open = new Set<Socket>()
  readonly #resetting = new WeakSet<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly target: () => number,
  ) {
    server.on('connection', (socket: Socket) => this.#join(socket))
  }

  /** @param target the port that connections are passed to, asked for each of them */
  static async listen(target: number | (() => number)): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
    return new FaultProxy(server, typeof target === 'number' ? () => target : target)
  }

  /** Where it listens. */
  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Connections that are open now, in one direction each: one pair counts once. */
  get connections(): number {
    return this.#open.size / 2
  }

  /** From now on bytes travel like this, those of open connections too. */
  disturb(how: Disturbance): void {
    this.#now = how
    // Whoever waits looks again.
    this.#healed.abort()
    this.#healed = new AbortController()
  }

  /** Undisturbed again; connections that were cut stay cut. */
  heal(): void {
    this.disturb({})
  }

  /** Resets every open connection, or closes it where bytes wait that nobody takes; new ones are taken. Says how many there were. */
  cut(): number {
    const cut = this.connections
    for (const socket of this.#open) this.#reset(socket)
    this.#open.clear()
    return cut
  }

  async close(): Promise<void> {
    this.heal()
    const closed = new Promise(resolve => this.server.close(resolve))
    this.cut()
    await closed
  }

  #join(client: Socket): void {
    client.on('error', () => undefined)
    if (this.#now.refusing) {
      this.#reset(client)
      return
    }
    const server = connect({ port: this.target(), host: '127.0.0.1', allowHalfOpen: true })
    server.on('error', () => this.#reset(client))
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      this.#open.add(socket)
    }
    const part = () => {
      for (const socket of [client, server]) {
        this.#open.delete(socket)
        if (!this.#resetting.has(socket)) socket.destroy()
      }
    }
    client.once('close', part)
    server.once('close', part)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const)
      this.#carry(from, to).catch(part)
  }

  /**
   * Node says the end before it resets. A socket destroyed between the two keeps its handle for ever, and so the process; one whose bytes nobody takes
   * never comes to its end: that one is closed without a reset.
   */
  #reset(socket: Socket): void {
    if (this.#resetting.has(socket)) return
    if (socket.writableLength > 0 || (socket.writableEnded && !socket.writableFinished)) return void socket.destroy()
    this.#resetting.add(socket)
    socket.resetAndDestroy()
  }

  async #carry(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>)
      for (let at = 0; at < chunk.length;) {
        await this.#wait()
        const { bytesPerSecond, delayMs } = this.#now
        const end = bytesPerSecond === undefined ? chunk.length : Math.min(chunk.length, at + throttledChunk)
        const pause = (delayMs ?? 0) + (bytesPerSecond === undefined ? 0 : ((end - at) / bytesPerSecond) * 1000)
        if (pause > 0) await sleep(pause, undefined, { signal: this.#healed.signal }).catch(() => undefined)
        await this.#wait()
        if (to.destroyed) return
        await new Promise<void>((resolve, reject) =>
          to.write(chunk.subarray(at, end), error => (error ? reject(error) : resolve())),
        )
        at = end
      }
    await this.#wait()
    to.end()
  }

  async #wait(): Promise<void> {
    while (this.#now.stalled) {
      const { signal } = this.#healed
      await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
    }
  }
}
