// A server that does what a test tells it, on a real socket or on a stream in memory: waits for methods, with a deadline
// and the name of what it waited for, and sends methods, contents or any octets. What it is not told to do it does not do;
// in particular it beats only when asked to.

import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import type { FieldTable } from '../../../src/frames/index.js'
import type { Method, MethodOf } from '../../../src/protocol/method-types.js'
import type { MethodName } from '../../../src/protocol/methods.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'
import { PeerCodec, type Received } from './peer-codec.js'

type ReceivedMethod = Extract<Received, { type: 'method' }>

export interface PeerTune {
  readonly channelMax?: number
  readonly frameMax?: number
  readonly heartbeat?: number
}

const DEADLINE_MS = 5000

/** One connection of a client. */
export class ScriptedPeer<Stream extends Duplex = Socket> {
  readonly socket: Stream
  readonly codec = new PeerCodec()
  /** Everything that came and was not yet taken by an `expect`. */
  readonly inbox: Received[] = []
  heartbeats = 0
  octetsReceived = 0
  /** Set once the client's octets end. */
  ended = false
  readonly #answers = new Map<MethodName, (method: ReceivedMethod) => void>()
  #notify: (() => void) | undefined
  #beat: NodeJS.Timeout | undefined
  #error: unknown

  constructor(socket: Stream) {
    this.socket = socket
    if ('setNoDelay' in socket) (socket as Duplex as Socket).setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => undefined)
    const onEnd = (): void => {
      this.ended = true
      this.stopBeating()
      this.#notify?.()
    }
    socket.on('end', onEnd)
    socket.on('close', onEnd)
  }

  /** The next method of that name; what came before it is dropped. Rejects after a deadline. */
  async expect<M extends MethodName>(
    name: M,
    deadlineMs = DEADLINE_MS,
  ): Promise<{ channelNumber: number; method: MethodOf<M>; content?: ReceivedMethod['content'] }> {
    const item = await this.#take(
      received => received.type === 'method' && received.method.name === name,
      name,
      deadlineMs,
    )
    return item as never
  }

  /** The protocol header. */
  async expectHeader(): Promise<void> {
    await this.#take(received => received.type === 'header', 'the protocol header', DEADLINE_MS)
  }

  async expectHeartbeat(deadlineMs = DEADLINE_MS): Promise<void> {
    await this.#take(received => received.type === 'heartbeat', 'a heartbeat', deadlineMs)
  }

  send(channelNumber: number, method: Method): void {
    this.socket.write(this.codec.method(channelNumber, method))
  }

  sendContent(channelNumber: number, method: Method, body: Buffer, properties: PublishProperties = {}): void {
    this.socket.write(this.codec.content(channelNumber, method, body, properties))
  }

  sendOctets(octets: Buffer): void {
    this.socket.write(octets)
  }

  /** Sends a heartbeat every so many milliseconds. */
  beat(intervalMs: number): void {
    this.stopBeating()
    this.#beat = setInterval(() => this.sendOctets(this.codec.heartbeat()), intervalMs)
  }

  stopBeating(): void {
    clearInterval(this.#beat)
  }

  /** From here on, whenever that method comes, this is done at once. It is not for `expect` any more. */
  on(name: MethodName, answer: (received: ReceivedMethod) => void): void {
    this.#answers.set(name, answer)
  }

  /** Answers channel.open, confirm.select, the declarations, qos, consume, cancel and the closes, as a broker would. */
  answerCalls(): void {
    const reply = (name: MethodName, make: (method: ReceivedMethod) => Method): void =>
      this.on(name, received => this.send(received.channelNumber, make(received)))
    reply('channel.open', () => ({ name: 'channel.open-ok', args: {} }))
    reply('channel.close', () => ({ name: 'channel.close-ok', args: {} }))
    reply('confirm.select', () => ({ name: 'confirm.select-ok', args: {} }))
    reply('basic.qos', () => ({ name: 'basic.qos-ok', args: {} }))
    reply('exchange.declare', () => ({ name: 'exchange.declare-ok', args: {} }))
    reply('queue.bind', () => ({ name: 'queue.bind-ok', args: {} }))
    reply('queue.delete', () => ({ name: 'queue.delete-ok', args: { messageCount: 0 } }))
    reply('queue.declare', ({ method }) => ({
      name: 'queue.declare-ok',
      args: {
        queue: (method as MethodOf<'queue.declare'>).args.queue || 'amq.gen-1',
        messageCount: 0,
        consumerCount: 0,
      },
    }))
    reply('basic.consume', ({ method }) => ({
      name: 'basic.consume-ok',
      args: { consumerTag: (method as MethodOf<'basic.consume'>).args.consumerTag },
    }))
    reply('basic.cancel', ({ method }) => ({
      name: 'basic.cancel-ok',
      args: { consumerTag: (method as MethodOf<'basic.cancel'>).args.consumerTag },
    }))
    reply('connection.close', () => ({ name: 'connection.close-ok', args: {} }))
  }

  /** The server's half of the handshake, up to Open-Ok. */
  async handshake(tune: PeerTune = {}): Promise<void> {
    await this.start()
    await this.tune(tune)
    await this.expect('connection.open')
    this.send(0, { name: 'connection.open-ok', args: {} })
  }

  /** Waits for the header, sends Start and waits for Start-Ok. */
  async start(
    serverProperties: FieldTable = { product: 'scripted peer' },
  ): Promise<MethodOf<'connection.start-ok'>> {
    await this.expectHeader()
    const mechanisms = Buffer.from('PLAIN AMQPLAIN')
    const args = {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties,
      mechanisms,
      locales: Buffer.from('en_US'),
    }
    this.send(0, { name: 'connection.start', args })
    return (await this.expect('connection.start-ok')).method
  }

  /** Sends Tune and waits for Tune-Ok. */
  async tune({
    channelMax = 2047,
    frameMax = 131_072,
    heartbeat = 60,
  }: PeerTune = {}): Promise<MethodOf<'connection.tune-ok'>> {
    this.send(0, { name: 'connection.tune', args: { channelMax, frameMax, heartbeat } })
    const { method } = await this.expect('connection.tune-ok')
    this.codec.frameMax = method.args.frameMax
    return method
  }

  #receive(chunk: Buffer): void {
    this.octetsReceived += chunk.length
    try {
      for (const received of this.codec.receive(chunk)) this.#sort(received)
    } catch (error) {
      this.#error = error
    }
    this.#notify?.()
  }

  #sort(received: Received): void {
    if (received.type === 'heartbeat') this.heartbeats++
    const answer = received.type === 'method' ? this.#answers.get(received.method.name) : undefined
    if (answer !== undefined && received.type === 'method') answer(received)
    else this.inbox.push(received)
  }

  async #take(fits: (received: Received) => boolean, what: string, deadlineMs: number): Promise<Received> {
    const deadline = Date.now() + deadlineMs
    for (;;) {
      const index = this.inbox.findIndex(fits)
      if (index >= 0) return this.inbox.splice(0, index + 1).at(-1) as Received
      if (this.#error !== undefined) throw this.#error
      if (this.ended) throw new Error(`the client went away while the peer waited for ${what}`)
      await this.#somethingNew(deadline - Date.now(), what)
    }
  }

  #somethingNew(leftMs: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#notify = undefined
        const seen = this.inbox.map(received =>
          received.type === 'method' ? received.method.name : received.type,
        )
        reject(new Error(`the peer waited for ${what} in vain; it has: ${seen.join(', ') || 'nothing'}`))
      }, leftMs)
      this.#notify = () => {
        clearTimeout(timer)
        this.#notify = undefined
        resolve()
      }
    })
  }
}

/** Listens on a free port of loopback and makes a peer of every connection. */
export class ScriptedServer {
  readonly #server: Server
  readonly #tls: TlsOptions | undefined
  readonly #peers: ScriptedPeer[] = []
  readonly #waiting: ((peer: ScriptedPeer) => void)[] = []
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, tls: TlsOptions | undefined) {
    this.#server = server
    this.#tls = tls
    server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      const peer = new ScriptedPeer(socket)
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#peers.push(peer)
      else waiting(peer)
    })
  }

  /** With these options it speaks TLS; a client whose handshake fails is no peer. */
  static async listen(tls?: TlsOptions): Promise<ScriptedServer> {
    const server = tls === undefined ? createServer({ allowHalfOpen: true }) : createTlsServer(tls)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new ScriptedServer(server, tls)
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get url(): string {
    return `${this.#tls === undefined ? 'amqp' : 'amqps'}://guest:guest@127.0.0.1:${this.port}`
  }

  /** The next client. */
  accept(): Promise<ScriptedPeer> {
    const peer = this.#peers.shift()
    if (peer !== undefined) return Promise.resolve(peer)
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  async close(): Promise<void> {
    await new Promise(resolve => {
      this.#server.close(resolve)
      for (const socket of this.#sockets) socket.destroy()
    })
  }
}
