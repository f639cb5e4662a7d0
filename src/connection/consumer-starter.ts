// Starts the consumers of one life of a channel, and is what they see of it.

import {
  ArgumentError,
  ChannelClosedError,
  type ChannelProtocol,
  type CloseReason,
} from '../protocol/index.js'
import { type AbortWatch, expectNotAborted } from './abort-watch.js'
import { basicConsume } from './basic-methods.js'
import type { Calls } from './calls.js'
import type { ChannelConsumers } from './channel-consumers.js'
import type { ChannelHost } from './channel-host.js'
import { type ConsumeOptions, checkHandler, type DeliveryHandler } from './channel-options.js'
import { Consumer, type ConsumerHost } from './consumer.js'
import type { Delivery } from './delivery.js'
import type { FailureOutcome } from './handler-failures.js'
import { nothing, PendingCall } from './pending-call.js'

/** What a starter needs of its channel. */
export interface ConsumingChannel {
  readonly life: ChannelProtocol
  readonly host: ChannelHost
  readonly aborts: AbortWatch
  readonly calls: Calls
  readonly consumers: ChannelConsumers
  noteHandlerError(error: unknown, delivery: Delivery, outcome: FailureOutcome): void
}

const DEFAULT_PREFETCH = 100

export class ConsumerStarter {
  /** The prefetch of consumers that do not say otherwise. */
  prefetch = DEFAULT_PREFETCH
  readonly #channel: ConsumingChannel
  readonly #consumerHost: ConsumerHost

  constructor(channel: ConsumingChannel) {
    this.#channel = channel
    this.#consumerHost = consumerHostOf(channel)
  }

  async start(
    queue: string,
    options: ConsumeOptions,
    handler: DeliveryHandler | undefined,
  ): Promise<Consumer> {
    const { life, host, aborts, consumers } = this.#channel
    const command = basicConsume(queue, options, this.prefetch)
    this.#expectConsuming()
    if (handler !== undefined) checkHandler(handler)
    if (life.hasConsumer(command.consumerTag))
      throw new ArgumentError('options.consumerTag', 'is in use on this channel')
    const { signal, timeout, prefetch = this.prefetch } = options
    expectNotAborted(signal)
    const started = new PendingCall<void>(nothing)
    const settled = { ...options, queue, noAck: command.noAck, prefetch }
    const consumer = new Consumer(this.#consumerHost, settled, handler, owner =>
      life.consume({ ...command, consumer: owner }, started, host.now(), timeout),
    )
    host.flush()
    aborts.watch(signal, started)
    consumers.add(consumer.ending)
    try {
      await started.promise
    } catch (error) {
      consumer.ending.stop()
      consumer.ending.lose()
      throw error
    }
    // Behind the continuation of whoever awaits this: a handler may want the consumer itself, to cancel it for instance.
    process.nextTick(() => consumer.begin())
    return consumer
  }

  /** While handlers are waited for before a close nothing new begins. */
  #expectConsuming(): void {
    const { life, host, consumers } = this.#channel
    if (!consumers.areRetired || life.state !== 'open') return
    const reason: CloseReason = { by: 'client', text: 'it is closing' }
    throw new ChannelClosedError(reason, life.number, { ...host.endpoint, method: 'basic.consume' })
  }
}

function consumerHostOf({ host, calls, consumers, noteHandlerError }: ConsumingChannel): ConsumerHost {
  const { endpoint, receiveBudget, turnShare, clock, closeTimeout, flush } = host
  return {
    endpoint,
    receiveBudget,
    turnShare,
    clock,
    closeTimeout,
    flush,
    sendCancel: (consumerTag, noWait) =>
      calls.make({}, () => ({ name: 'basic.cancel', args: { consumerTag, noWait } }), nothing),
    noteHandlerError,
    release: consumer => consumers.delete(consumer),
  }
}
