// The inside of the model broker: the topology with its queues, and what happens to a message that is published.

import { BrokerQueue, type Message } from './broker-queue.js'
import { Refusal } from './refusal.js'
import { type QueueFlags, Topology } from './topology.js'

/** What became of a message that was published. */
export interface Routed {
  readonly queues: readonly BrokerQueue[]
  /** A queue that it goes to is full: a publisher that waits for a confirm is told no. */
  readonly isRejected: boolean
}

export class VirtualHost {
  readonly topology = new Topology()
  readonly #queues = new Map<string, BrokerQueue>()
  #generated = 0

  get queues(): readonly BrokerQueue[] {
    return [...this.#queues.values()]
  }

  /** Throws a Refusal when there is none of that name. */
  queue(name: string): BrokerQueue {
    this.topology.expectQueue(name)
    return this.#queues.get(name) as BrokerQueue
  }

  /** Returns the queue, under a name of the server's making if it has none. */
  declareQueue(name: string, flags: QueueFlags, passive: boolean): BrokerQueue {
    if (name !== '') this.topology.declareQueue(name, flags, passive)
    const own = name === '' ? `amq.gen-${++this.#generated}` : name
    if (name === '') this.topology.addNamed(own, flags)
    const queue = this.#queues.get(own) ?? new BrokerQueue(own, flags.maxLength)
    this.#queues.set(own, queue)
    return queue
  }

  /** Returns how many messages were in it. Deleting none is no error. */
  deleteQueue(name: string, ifUnused = false, ifEmpty = false): number {
    const queue = this.#queues.get(name)
    if (queue === undefined) return 0
    if (ifUnused && queue.consumerCount > 0) throw new Refusal(406, `queue '${name}' in use`)
    if (ifEmpty && queue.ready.length > 0) throw new Refusal(406, `queue '${name}' is not empty`)
    this.topology.deleteQueue(name)
    this.#queues.delete(name)
    queue.cancelConsumers()
    return queue.purge()
  }

  /** The connection that declared them has ended. */
  deleteExclusive(): void {
    for (const { name } of this.queues) {
      if (this.topology.flagsOf(name)?.exclusive === true) this.deleteQueue(name)
    }
  }

  /** Where a message goes; 404 when its exchange does not exist. */
  targets({ exchange, routingKey }: Message): string[] {
    this.topology.expectExchange(exchange)
    return [...this.topology.route(exchange, routingKey)]
  }

  /** Puts a message into the queues it was routed to, as far as they are still there. */
  enqueue(message: Message, targets: readonly string[]): Routed {
    const queues = targets.map(name => this.#queues.get(name)).filter(queue => queue !== undefined)
    const accepting = queues.filter(queue => queue.enqueue(message))
    return { queues: accepting, isRejected: accepting.length < queues.length }
  }
}
