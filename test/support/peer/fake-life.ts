// A channel life of the protocol layer without a channel, for tests of what sits on top of it: it notes settlements, and
// says of deliveries what a real one would.

import { Content } from '../../../src/protocol/content.js'
import { DeliveryLedger } from '../../../src/protocol/delivery-ledger.js'
import { encodeAhead, encodePublish, propertyOctetsIn } from '../../../src/protocol/frame-writers.js'
import type { ChannelLife, DeliveryState, IncomingDelivery, Settlement } from '../../../src/protocol/index.js'
import type { PublishProperties } from '../../../src/protocol/properties.js'

export class FakeLife implements ChannelLife {
  /** What was settled, in order. */
  readonly settlements: Settlement[] = []
  readonly settledTags: number[] = []
  readonly #ledger = new DeliveryLedger()
  #lastTag = 0

  /** The next delivery of this life. */
  incoming(
    given: Partial<IncomingDelivery> & { properties?: PublishProperties; body?: Buffer } = {},
  ): IncomingDelivery {
    const { properties = {}, body = Buffer.from('body'), ...rest } = given
    const publishing = { exchange: '', routingKey: '', mandatory: false, properties, body }
    const propertyOctets = propertyOctetsIn(encodeAhead(encodePublish, 1, 131_072, publishing))
    const deliveryTag = ++this.#lastTag
    if (rest.noAck !== true) this.#ledger.add(deliveryTag)
    return {
      life: this,
      consumerTag: 'consumer',
      deliveryTag,
      redelivered: false,
      exchange: 'exchange',
      routingKey: 'routing.key',
      noAck: false,
      content: new Content(propertyOctets, body),
      ...rest,
    }
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    const { kind } = settlement
    if (!this.#ledger.settle(deliveryTag, kind !== 'reject' && settlement.multiple)) return false
    this.settlements.push(settlement)
    this.settledTags.push(deliveryTag)
    return true
  }

  giveBack({ deliveryTag, noAck }: IncomingDelivery): void {
    if (!noAck) this.settle(deliveryTag, { kind: 'nack', multiple: false, requeue: true })
  }

  stateOf(deliveryTag: number): DeliveryState {
    return this.#ledger.stateOf(deliveryTag)
  }

  /** The channel is gone. */
  end(): void {
    this.#ledger.end()
  }
}
