// Exchanges, queues and bindings by name, and where a message goes (spec 3.1.3; RabbitMQ's bindings between exchanges). It
// refuses what RabbitMQ refuses. It knows no message and no channel.

import { Refusal } from './refusal.js'

export type ExchangeType = 'direct' | 'fanout' | 'topic'

/** What makes a queue another one when it is declared again. */
export interface QueueFlags {
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
  /** `x-max-length` with `x-overflow: reject-publish`: beyond so many ready messages a publish is refused. */
  readonly maxLength?: number | undefined
}

interface Binding {
  readonly source: string
  readonly destination: string
  readonly to: 'queue' | 'exchange'
  readonly routingKey: string
}

const PREDECLARED = [
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
] as const

export class Topology {
  readonly #exchanges = new Map<string, ExchangeType>(PREDECLARED)
  readonly #queues = new Map<string, QueueFlags>()
  #bindings: Binding[] = []

  get exchanges(): readonly string[] {
    return [...this.#exchanges.keys()]
  }

  flagsOf(queue: string): QueueFlags | undefined {
    return this.#queues.get(queue)
  }

  declareExchange(exchange: string, type: ExchangeType, passive: boolean): void {
    const known = this.#exchanges.get(exchange)
    if (passive) return this.expectExchange(exchange)
    if (known === undefined && exchange.startsWith('amq.'))
      throw new Refusal(403, `exchange name '${exchange}' contains reserved prefix 'amq.*'`)
    if (known !== undefined && known !== type)
      throw new Refusal(406, `inequivalent arg 'type' for exchange '${exchange}'`)
    this.#exchanges.set(exchange, type)
  }

  /** Deleting none is no error. */
  deleteExchange(exchange: string, ifUnused: boolean): void {
    if (exchange === '') throw new Refusal(403, 'operation not permitted on the default exchange')
    if (ifUnused && this.#bindings.some(({ source }) => source === exchange))
      throw new Refusal(406, `exchange '${exchange}' in use`)
    this.#exchanges.delete(exchange)
    const isOf = ({ source, to, destination }: Binding) =>
      source === exchange || (to === 'exchange' && destination === exchange)
    this.#bindings = this.#bindings.filter(binding => !isOf(binding))
  }

  declareQueue(queue: string, flags: QueueFlags, passive: boolean): void {
    const known = this.#queues.get(queue)
    if (passive) return this.expectQueue(queue)
    if (queue.startsWith('amq.'))
      throw new Refusal(403, `queue name '${queue}' contains reserved prefix 'amq.*'`)
    if (known === undefined) {
      this.#queues.set(queue, flags)
      return
    }
    for (const name of ['durable', 'exclusive', 'autoDelete', 'maxLength'] as const) {
      if (known[name] !== flags[name])
        throw new Refusal(406, `inequivalent arg '${name}' for queue '${queue}'`)
    }
  }

  /** Gives a queue a name of the server's making. */
  addNamed(queue: string, flags: QueueFlags): void {
    this.#queues.set(queue, flags)
  }

  deleteQueue(queue: string): void {
    this.#queues.delete(queue)
    this.#bindings = this.#bindings.filter(({ to, destination }) => to !== 'queue' || destination !== queue)
  }

  bind(binding: Binding): void {
    this.#expectEnds(binding)
    if (!this.#bindings.some(known => isSame(known, binding))) this.#bindings.push(binding)
  }

  /** Taking none away is no error. */
  unbind(binding: Binding): void {
    this.#bindings = this.#bindings.filter(known => !isSame(known, binding))
  }

  /** The queues that a message goes to, each once. */
  route(exchange: string, routingKey: string): Set<string> {
    const queues = new Set<string>()
    this.#follow(exchange, routingKey, queues, new Set())
    return queues
  }

  expectExchange(exchange: string): void {
    if (!this.#exchanges.has(exchange)) throw new Refusal(404, `no exchange '${exchange}' in vhost '/'`)
  }

  expectQueue(queue: string): void {
    if (!this.#queues.has(queue)) throw new Refusal(404, `no queue '${queue}' in vhost '/'`)
  }

  #expectEnds({ source, destination, to }: Binding): void {
    if (source === '' || (to === 'exchange' && destination === ''))
      throw new Refusal(403, 'operation not permitted on the default exchange')
    if (to === 'queue') this.expectQueue(destination)
    else this.expectExchange(destination)
    this.expectExchange(source)
  }

  #follow(exchange: string, routingKey: string, queues: Set<string>, passed: Set<string>): void {
    // A circle of bindings is legal, and a message passes each exchange once.
    if (passed.has(exchange)) return
    passed.add(exchange)
    if (exchange === '' && this.#queues.has(routingKey)) queues.add(routingKey)
    const type = this.#exchanges.get(exchange)
    for (const binding of this.#bindings) {
      if (binding.source !== exchange || !matches(type, binding.routingKey, routingKey)) continue
      if (binding.to === 'queue') queues.add(binding.destination)
      else this.#follow(binding.destination, routingKey, queues, passed)
    }
  }
}

function isSame(a: Binding, b: Binding): boolean {
  return (
    a.source === b.source && a.destination === b.destination && a.to === b.to && a.routingKey === b.routingKey
  )
}

function matches(type: ExchangeType | undefined, pattern: string, routingKey: string): boolean {
  if (type === 'fanout') return true
  if (type === 'direct') return pattern === routingKey
  return matchesWords(pattern.split('.'), routingKey.split('.'))
}

/** `*` stands for one word, `#` for any number of them, none included. */
function matchesWords([first, ...rest]: readonly string[], words: readonly string[]): boolean {
  if (first === undefined) return words.length === 0
  if (first === '#')
    return words.some((_, index) => matchesWords(rest, words.slice(index))) || matchesWords(rest, [])
  const [word, ...others] = words
  return word !== undefined && (first === '*' || first === word) && matchesWords(rest, others)
}
