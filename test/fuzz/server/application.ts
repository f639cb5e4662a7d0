// An application that does everything at once: it begins a thing of chance on what it has, waits for nothing, and uses what
// comes of it when it comes. Every promise is noted. It does nothing that it may not do, so an ArgumentError is a finding.

import { inspect } from 'node:util'
import {
  type Channel,
  type Connection,
  type ConnectOptions,
  type Consumer,
  connect,
  openRpcClient,
  type PublishOptions,
  type RpcClient,
  serveRpc,
} from '../../../src/index.js'
import type { PromiseLedger } from '../promise-ledger.js'
import type { Random } from '../random.js'
import { type Action, WAYS, WEIGHTS } from './actions.js'
import type { State } from './states.js'
import { Workload } from './workload.js'

/** What an aborted signal says: the application's own error, which comes back to it. */
export class GivenUp extends Error {}

type Kind = 'plain' | 'confirm' | 'transaction'

interface OpenChannel {
  readonly kind: Kind
  readonly channel: Channel
}

const QUEUES = ['q-1', 'q-2', 'q-3']
const CHANNELS_MAX = 4

export class Application {
  connection: Connection | undefined
  /** Called when it closes the connection. */
  onClosing: () => void = () => {}
  /** Called when the connection has ended, or is known never to be. */
  onOver: () => void = () => {}
  /** Message ids of what was published, in order. */
  readonly published: string[] = []
  /** Events that came after `closed`. */
  readonly lateEvents: string[] = []
  readonly #ledger: PromiseLedger
  readonly #random: Random
  readonly #weights: Record<Action, number>
  readonly #channels: OpenChannel[] = []
  #opening = 0
  readonly #consumers: Consumer[] = []
  readonly #rpcClients: RpcClient[] = []
  readonly #work: Workload
  readonly #shared = new AbortController()
  #isFinished = false
  readonly #actions: Readonly<Record<Action, (connection: Connection) => void>> = {
    openChannel: connection => this.#openChannel(connection),
    declare: () => this.#declare(),
    exchange: () => this.#exchange(),
    bind: () => this.#bind(),
    publish: () => this.#on(channel => this.#publish(channel, this.#random.below(60))),
    burst: () => this.#burst(),
    large: () => this.#on(channel => this.#publish(channel, this.#random.pick([9_000, 70_000, 130_000]))),
    waitForConfirms: () => this.#waitForConfirms(),
    consume: () => this.#consume(),
    get: () => this.#get(),
    settle: () => this.#work.settle(),
    prefetch: () => this.#note('prefetch', channel => channel.prefetch(this.#random.below(10))),
    recover: () => this.#note('recover', channel => channel.recover(this.#limits())),
    transaction: () => this.#transaction(),
    cancel: () => this.#cancel(),
    purge: () => this.#note('queuePurge', channel => channel.queuePurge(this.#queue())),
    deleteQueue: () => this.#note('queueDelete', channel => channel.queueDelete(this.#queue())),
    closeChannel: () => this.#closeChannel(),
    check: connection => this.#check(connection),
    secret: connection => {
      const updating = connection.updateSecret(`${SECRET}-new`, 'expiry', this.#limits())
      this.#ledger.note('updateSecret', updating)
    },
    beat: connection => void connection.sendHeartbeat(),
    look: connection => this.#work.look(() => [inspect(connection), connection.stats, connection.blocked]),
    rpc: connection => this.#rpc(connection),
    serve: () => this.#serve(),
    close: connection => this.#close(connection),
    drain: connection => this.#drain(connection),
  }

  constructor(ledger: PromiseLedger, random: Random, aim: State) {
    this.#ledger = ledger
    this.#random = random
    this.#weights = { ...WEIGHTS, ...WAYS[aim] }
    this.#work = new Workload(random)
  }

  /** Thrown where a promise, or nothing, was to come. */
  get thrown(): unknown[] {
    return this.#work.thrown
  }

  connect(options: ConnectOptions): void {
    const connecting = this.#ledger.note('connect', connect(options))
    connecting.then(
      connection => this.#adopt(connection),
      () => this.onOver(),
    )
  }

  /** Begins so many things, and goes on with what has begun. */
  act(times: number): void {
    this.#work.look(() => {
      for (let time = 0; time < times && this.connection !== undefined; time++)
        this.#actions[this.#random.weighted(this.#weights)](this.connection)
      if (this.#random.chance(0.5)) this.#work.endHandler()
    })
  }

  /** Its handlers end, and it closes, once, when there is something to close. True if it has begun to do so. */
  finish(): boolean {
    this.#work.endHandlers()
    if (this.connection === undefined || this.#isFinished) return false
    this.#isFinished = true
    if (this.#random.chance(0.2)) this.#shared.abort(new GivenUp('all of it'))
    this.#close(this.connection)
    return true
  }

  /** Handlers end as soon as they begin. */
  stop(): void {
    this.#work.stop()
  }

  #adopt(connection: Connection): void {
    this.connection = connection
    let isClosed = false
    void this.#ledger.note('connection.closed', connection.closed).then(() => {
      isClosed = true
      this.onOver()
    })
    for (const event of ['blocked', 'unblocked', 'stalled'] as const) {
      connection.on(event, () => {
        if (isClosed) this.lateEvents.push(event)
      })
    }
  }

  #openChannel(connection: Connection): void {
    if (this.#channels.length + this.#opening >= CHANNELS_MAX) return
    this.#opening++
    const kind = this.#random.weighted({
      plain: 2,
      confirm: 4,
      transaction: this.#weights.transaction > 10 ? 6 : 1,
    })
    const maxUnconfirmed = this.#random.pick([1, 3, 1000])
    const options = { confirm: kind === 'confirm', maxUnconfirmed, ...this.#limits() }
    const opening = this.#ledger.note('openChannel', connection.openChannel(options))
    opening.then(
      channel => {
        this.#opening--
        this.#adoptChannel({ channel, kind })
      },
      () => {
        this.#opening--
      },
    )
  }

  #adoptChannel({ channel, kind }: OpenChannel): void {
    this.#channels.push({ channel, kind })
    let isClosed = false
    void this.#ledger.note('channel.closed', channel.closed).then(() => {
      isClosed = true
      this.#forget(this.#channels, each => each.channel === channel)
    })
    channel.on('returned', message => {
      if (isClosed) this.lateEvents.push('returned')
      this.#work.look(() => inspect(message))
    })
    channel.on('handlerError', () => {})
    if (kind === 'transaction') this.#ledger.note('txSelect', channel.txSelect())
  }

  #declare(): void {
    this.#on(channel => {
      const queue = this.#random.chance(0.3) ? '' : this.#queue()
      const options = {
        passive: queue !== '' && this.#random.chance(0.05),
        durable: queue !== '',
        exclusive: false,
      }
      if (this.#random.chance(0.1) && queue !== '')
        this.#ledger.note('queueDeclare', channel.queueDeclare(queue, { ...options, noWait: true }))
      else this.#ledger.note('queueDeclare', channel.queueDeclare(queue, { ...options, ...this.#limits() }))
    })
  }

  #exchange(): void {
    const options = { passive: this.#random.chance(0.05), noWait: this.#random.chance(0.2) }
    this.#note('exchangeDeclare', channel => channel.exchangeDeclare('x-1', 'topic', options))
  }

  #bind(): void {
    const noWait = this.#random.chance(0.2)
    this.#note('queueBind', channel => channel.queueBind(this.#queue(), 'x-1', 'key', { n: 1 }, { noWait }))
  }

  #burst(): void {
    this.#on(channel => {
      for (let each = 0; each < 20; each++) this.#publish(channel, this.#random.below(300))
    })
  }

  #publish(channel: Channel, octets: number): void {
    const routingKey = this.#random.chance(0.15) ? 'nowhere' : this.#queue()
    const messageId = `m-${this.published.length}`
    this.published.push(messageId)
    const options: PublishOptions = { mandatory: this.#random.chance(0.4), messageId, ...this.#limits() }
    this.#ledger.note('publish', channel.publish('', routingKey, Buffer.alloc(octets, 'p'), options))
  }

  #waitForConfirms(): void {
    this.#on((channel, kind) => {
      if (kind === 'confirm') this.#ledger.note('waitForConfirms', channel.waitForConfirms(this.#limits()))
    })
  }

  #consume(): void {
    this.#on(channel => {
      const options = {
        noAck: this.#random.chance(0.2),
        prefetch: this.#random.pick([0, 1, 5]),
        onError: this.#random.pick(['requeue-once', 'reject', 'requeue', 'leave'] as const),
        autoSettle: this.#random.chance(0.8),
        ...this.#limits(),
      }
      const handler = this.#random.chance(0.6) ? this.#work.handle : undefined
      this.#begin('consume', channel.consume(this.#queue(), options, handler), handler === undefined)
    })
  }

  #serve(): void {
    this.#on(channel =>
      this.#begin(
        'serveRpc',
        serveRpc(channel, this.#queue(), () => 'done'),
        false,
      ),
    )
  }

  #begin(what: string, starting: Promise<Consumer>, iterates: boolean): void {
    this.#ledger.note(what, starting).then(
      consumer => this.#adoptConsumer(consumer, iterates),
      () => {},
    )
  }

  #adoptConsumer(consumer: Consumer, iterates: boolean): void {
    this.#consumers.push(consumer)
    this.#ledger.note('consumer.closed', consumer.closed)
    if (iterates) void this.#ledger.note('iteration', this.#work.iterate(consumer)).catch(() => {})
  }

  #get(): void {
    this.#on(channel => {
      const getting = channel.get(this.#queue(), { noAck: this.#random.chance(0.3), ...this.#limits() })
      this.#ledger.note('get', getting).then(
        delivery => delivery && this.#work.take(delivery),
        () => {},
      )
    })
  }

  #transaction(): void {
    const found = this.#channels.find(({ kind }) => kind === 'transaction')
    if (found === undefined) return this.#openChannel(this.connection as Connection)
    const commits = this.#random.chance(0.6)
    this.#ledger.note(
      commits ? 'txCommit' : 'txRollback',
      commits ? found.channel.txCommit(this.#limits()) : found.channel.txRollback(this.#limits()),
    )
  }

  #cancel(): void {
    if (this.#consumers.length === 0) return
    const [consumer] = this.#consumers.splice(this.#random.below(this.#consumers.length), 1) as [Consumer]
    const { signal } = this.#limits()
    this.#ledger.note('cancel', consumer.cancel({ noWait: this.#random.chance(0.3), signal }))
  }

  #closeChannel(): void {
    this.#on(channel => {
      this.#ledger.note('channel.close', channel.close())
      this.#forget(this.#channels, each => each.channel === channel)
    })
  }

  #check(connection: Connection): void {
    if (this.#random.chance(0.5))
      this.#ledger.note('checkQueue', connection.checkQueue(this.#queue(), this.#limits()))
    else this.#ledger.note('checkExchange', connection.checkExchange('x-1', this.#limits()))
  }

  #rpc(connection: Connection): void {
    const client = this.#rpcClients[0]
    if (client === undefined) {
      const opening = this.#ledger.note('openRpcClient', openRpcClient(connection, this.#limits()))
      opening.then(
        opened => {
          this.#rpcClients.push(opened)
          this.#ledger.note('rpcClient.closed', opened.closed)
        },
        () => {},
      )
    } else {
      this.#ledger.note(
        'request',
        client.request('', this.#queue(), 'ask', { timeout: 2_000, ...this.#limits() }),
      )
    }
  }

  #close(connection: Connection): void {
    this.onClosing()
    this.#ledger.note('connection.close', connection.close())
  }

  #drain(connection: Connection): void {
    this.onClosing()
    this.#ledger.note('connection.close', connection.close({ drain: true }))
  }

  /** Sometimes a call has limits of its own: a time, or a signal that many share. */
  #limits(): { timeout?: number; signal?: AbortSignal } {
    if (this.#random.chance(0.08)) return { timeout: this.#random.between(1, 2_000) }
    if (this.#shared.signal.aborted) return {}
    if (this.#random.chance(0.02)) this.#shared.abort(new GivenUp('changed its mind'))
    return this.#random.chance(0.08) && !this.#shared.signal.aborted ? { signal: this.#shared.signal } : {}
  }

  /** Does it on one of the channels, or opens one. */
  #on(action: (channel: Channel, kind: Kind) => void): void {
    if (this.#channels.length === 0) return this.#openChannel(this.connection as Connection)
    const { channel, kind } = this.#random.pick(this.#channels)
    action(channel, kind)
  }

  /** A call on one of the channels, if there is one. */
  #note(what: string, call: (channel: Channel) => Promise<unknown>): void {
    this.#on(channel => this.#ledger.note(what, call(channel)))
  }

  #queue(): string {
    return this.#random.pick(QUEUES)
  }

  #forget<T>(list: T[], isIt: (each: T) => boolean): void {
    const index = list.findIndex(isIt)
    if (index >= 0) list.splice(index, 1)
  }
}

/** It must be in nothing that is said. */
export const SECRET = 'hunter2-4711-hush'
