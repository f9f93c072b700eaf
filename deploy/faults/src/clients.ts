import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Action, Outcome } from './history.js'
import type { Piece } from './material.js'

const password = 'correct horse battery staple'
/** Side by side for each family, as a person's browser does. */
const atOnce = 6
/** A request that gets no answer for so long is given up and sent again, ms. */
const patienceMs = 20_000

/** The first items of the material; encoding more of them would prove nothing more. */
const filmed = { from: '2024-01-01', to: '2024-01-31' }

/** What was answered; a status of 0 means that nothing was. */
interface Answer {
  status: number
  headers: Headers
  text: string
}

/** One family and its parent, who asks through two gateways. */
export class Household {
  familyId = ''
  #token = ''
  readonly #items = new Map<number, string>()

  /** @param gateways may change places with each other at any time */
  constructor(
    readonly index: number,
    readonly gateways: readonly string[],
    readonly pieces: readonly Piece[],
  ) {}

  private get email(): string {
    return `parent-${this.index}@example.org`
  }

  /** Signs up, makes the family and consents to faces. Before anything goes wrong. */
  async begin(): Promise<void> {
    const account = { email: this.email, password, name: `Parent ${this.index}` }
    this.#token = tokenOf(await this.must('POST', '/v1/accounts', account))
    const family = await this.must('POST', '/v1/families', {
      name: `Family ${this.index}`,
      timeZone: 'Europe/Berlin',
      locale: 'en',
    })
    this.familyId = (JSON.parse(family.text) as { id: string }).id
    await this.must('PUT', `${this.base}/plan`, { plan: 'premium' })
    await this.must('PATCH', this.base, { faceRecognition: { consent: true, textVersion: 'faults' } })
  }

  get base(): string {
    return `/v1/families/${this.familyId}`
  }

  /** The items by their place in the folder, as far as their uploads were acknowledged. */
  get items(): ReadonlyMap<number, string> {
    return this.#items
  }

  /** Does what was planned, in the order of time, until all is acknowledged or `end` (epoch ms, asked again and again) has passed. */
  async act(
    actions: readonly Action[],
    began: number,
    end: () => number,
    told: (outcome: Outcome) => void,
  ): Promise<void> {
    const uploads = actions.filter(action => action.do === 'upload')
    const others = actions.filter(action => action.do !== 'upload')
    const uploaded = new Map(uploads.map(action => [action.item, resolvers<string | undefined>()]))
    const run = async (action: Action) => {
      await until(began + action.atMs)
      if (action.do !== 'upload' && action.do !== 'film' && (await uploaded.get(action.item)?.promise) === undefined) {
        told({
          action: action.id,
          acknowledged: false,
          attempts: 0,
          endedMs: Date.now() - began,
          refusal: 'its upload was not acknowledged',
        })
        return
      }
      const attempt = new Attempt(this, action, end)
      const outcome = await attempt.run()
      if (action.do === 'upload') {
        if (outcome.id !== undefined) this.#items.set(action.item, outcome.id)
        uploaded.get(action.item)?.resolve(outcome.id)
      }
      told({ action: action.id, ...outcome, endedMs: Date.now() - began })
    }
    const workers = (queue: Action[]) =>
      Array.from({ length: atOnce }, async () => {
        for (let action = queue.shift(); action; action = queue.shift()) await run(action)
      })
    await Promise.all([...workers([...uploads]), ...workers([...others])])
  }

  /** One request through a gateway; never throws. */
  async ask(
    gateway: number,
    method: string,
    path: string,
    {
      body,
      headers = {},
      limitMs = patienceMs,
    }: { body?: unknown; headers?: Record<string, string>; limitMs?: number } = {},
  ): Promise<Answer> {
    const bytes = body instanceof Uint8Array
    try {
      const response = await fetch(new URL(path, this.gateways[gateway % this.gateways.length]), {
        method,
        headers: {
          ...(this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body !== undefined && !bytes ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(body === undefined ? {} : { body: bytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(limitMs),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    } catch (error) {
      return { status: 0, headers: new Headers(), text: error instanceof Error ? error.message : String(error) }
    }
  }

  /** A new sign-in: the old one is over, or a clock was moved. */
  async signIn(gateway: number): Promise<void> {
    const answer = await this.ask(gateway, 'POST', '/v1/sessions', { body: { email: this.email, password } })
    if (answer.status === 201 || answer.status === 200) this.#token = tokenOf(answer)
  }

  /** Asks until it is answered; for what happens while nothing goes wrong. @throws after two minutes */
  async must(method: string, path: string, body?: unknown): Promise<Answer> {
    const end = Date.now() + 120_000
    const key = crypto.randomUUID()
    for (let gateway = 0; ; gateway++) {
      const answer = await this.ask(gateway, method, path, {
        ...(body === undefined ? {} : { body }),
        headers: { 'idempotency-key': key },
      })
      if (answer.status >= 200 && answer.status < 300) return answer
      if (answer.status === 401) await this.signIn(gateway)
      if (
        Date.now() > end ||
        (answer.status >= 400 && answer.status < 500 && ![401, 404, 409, 429].includes(answer.status))
      )
        throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text.slice(0, 300)}`)
      await sleep(250)
    }
  }

  /** Reads JSON, see `must`. */
  async read<T>(path: string): Promise<T> {
    return JSON.parse((await this.must('GET', path)).text) as T
  }
}

type Ended = Omit<Outcome, 'action' | 'endedMs'>

/** One action, tried until it is acknowledged, refused for good, or the time is over. */
class Attempt {
  private attempts = 0
  private gateway: number
  private refusal = ''

  constructor(
    private readonly home: Household,
    private readonly action: Action,
    private readonly end: () => number,
  ) {
    this.gateway = action.gateway
  }

  async run(): Promise<Ended> {
    const id = this.action.do === 'upload' ? await this.upload(this.action) : await this.call(this.action)
    return id === undefined
      ? { acknowledged: false, attempts: this.attempts, refusal: this.refusal }
      : { acknowledged: true, attempts: this.attempts, ...(id === '' ? {} : { id }) }
  }

  /** The answer that counts, '' where it names nothing, or undefined where there is none. */
  private async call(action: Exclude<Action, { do: 'upload' }>): Promise<string | undefined> {
    const { home } = this
    const item = `${home.base}/media/${home.items.get(action.item) ?? ''}`
    const [method, path, body]: [string, string, unknown] =
      action.do === 'comment'
        ? ['POST', `${item}/comments`, { text: action.text }]
        : action.do === 'favourite'
          ? ['PUT', `${item}/favourite`, {}]
          : action.do === 'correct'
            ? ['PATCH', item, { description: action.description }]
            : ['POST', `${home.base}/movies`, { kind: 'one-second', period: filmed, length: 'short', title: action.id }]
    const once = () => this.answered(method, path, { body, headers: { 'idempotency-key': action.id } })
    const first = await once()
    if (first === undefined) return undefined
    if ('twice' in action && action.twice) {
      this.gateway++
      if ((await once()) === undefined) return undefined
    }
    return action.do === 'film' ? (JSON.parse(first.text) as { id: string }).id : ''
  }

  private async upload(action: Action & { do: 'upload' }): Promise<string | undefined> {
    const { home } = this
    const piece = home.pieces[action.item]
    if (!piece) throw new Error(`there is no item ${action.item}`)
    const bytes = await readFile(piece.path)
    const tus = { 'tus-resumable': '1.0.0' }
    const text = (value: string) => Buffer.from(value).toString('base64')
    const metadata = `filename ${text(piece.name)},lastModified ${text(String(piece.lastModified))}`
    for (;;) {
      const made = await this.answered('POST', `${home.base}/uploads`, {
        headers: { ...tus, 'upload-length': String(piece.size), 'upload-metadata': metadata },
      })
      if (made === undefined) return undefined
      const at = made.headers.get('location') ?? ''
      let half = action.split
      for (;;) {
        const head = await this.answered('HEAD', at, { headers: tus })
        if (head === undefined) return undefined
        const done = head.headers.get('keepsake-media-id')
        if (done) return done
        const offset = Number(head.headers.get('upload-offset'))
        // All bytes are there and still it is no item: asked again, it will be.
        if (offset === piece.size) continue
        const end = half ? Math.max(offset + 1, Math.ceil(piece.size / 2)) : piece.size
        const headers = { ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }
        const sent = await home.ask(this.gateway, 'PATCH', at, {
          body: new Uint8Array(bytes.subarray(offset, end)),
          headers,
        })
        this.attempts++
        const finished = sent.headers.get('keepsake-media-id')
        if (finished) return finished
        if (sent.status === 204 && end < piece.size) half = false
        if (sent.status === 404) break // the upload is gone: begin anew
        this.gateway++ // the next bytes, or another try, go to the other gateway
        if (sent.status !== 204 && !(await this.goOn(sent))) return undefined
      }
    }
  }

  /** The first good answer; undefined where there is none in time or it is refused for good. */
  private async answered(
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer | undefined> {
    for (;;) {
      this.attempts++
      const answer = await this.home.ask(this.gateway, method, path, options)
      if (answer.status >= 200 && answer.status < 300) return answer
      this.gateway++
      if (!(await this.goOn(answer))) return undefined
    }
  }

  /** Whether it is worth another try, after a pause. What arrives in the album a little later is not there yet (404). */
  private async goOn({ status, text }: Answer): Promise<boolean> {
    this.refusal = `${status} ${text.slice(0, 200)}`
    if (Date.now() > this.end()) return false
    if (status === 401) await this.home.signIn(this.gateway)
    else if (status >= 400 && status < 500 && ![404, 408, 409, 423, 425, 429].includes(status)) return false
    await sleep(150 + Math.random() * 250)
    return true
  }
}

const tokenOf = (answer: Answer) => (JSON.parse(answer.text) as { accessToken: string }).accessToken

/** A promise and how it is resolved. */
function resolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(done => (resolve = done))
  return { promise, resolve }
}

const until = (at: number) => sleep(Math.max(0, at - Date.now()))
