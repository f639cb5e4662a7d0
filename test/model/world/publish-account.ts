// A message that was published: what it is, where it must go, and what is known of it. It carries its number as message id, by which
// it is known wherever it turns up.

import { isDeepStrictEqual } from 'node:util'
import { ByteWriter } from '../../../src/frames/index.js'
import type { MessageProperties, PublishProperties } from '../../../src/protocol/index.js'
import { readProperties, writeProperties } from '../../../src/protocol/properties.js'
import type { ChannelAccount } from './channel-account.js'
import { expectThat } from './finding.js'
import type { Arrived } from './operation.js'
import type { QueueAccount } from './queue-account.js'

/** What a publish is made of. */
export interface Message {
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  readonly properties: PublishProperties
  readonly body: Buffer
}

export class PublishAccount {
  /** Ascends in the order of publishing, over all channels. */
  readonly id: number
  readonly channel: ChannelAccount
  readonly message: Message
  /** The queues that it goes to. */
  readonly targets: readonly QueueAccount[]
  /** It may still come to them, or not have left. */
  isPending = true
  /** It was not sent, or nobody knows. */
  isLost = false
  /** Nobody waits for its confirm any more. */
  isAbandoned = false
  /** How often it came back by itself, not as the outcome of its publish. */
  returns = 0

  constructor(id: number, channel: ChannelAccount, message: Message, targets: readonly QueueAccount[]) {
    this.id = id
    this.channel = channel
    this.message = {
      ...message,
      properties: { deliveryMode: 1, ...message.properties, messageId: String(id) },
    }
    this.targets = targets
  }

  /** Whether it comes back. */
  get isReturned(): boolean {
    return this.message.mandatory && this.targets.length === 0
  }

  /** It is there for certain: the broker has worked on it, or on something behind it. */
  prove(): void {
    if (!this.isPending) return
    this.isPending = false
    for (const queue of this.targets) queue.prove(this)
  }

  /** It was not sent. */
  drop(): void {
    this.isPending = false
    this.isLost = true
    for (const queue of this.targets) queue.drop(this)
  }

  /** Nobody can know. */
  doubt(): void {
    this.isPending = false
    this.isLost = true
    for (const queue of this.targets) queue.doubt(this)
  }

  /** Throws unless that is this message, as it was. Properties are equal in meaning: a broker may order headers anew. */
  expectSame({ exchange, routingKey, properties, body }: Arrived): void {
    const { message } = this
    const isSame =
      exchange === message.exchange && routingKey === message.routingKey && body.equals(message.body)
    expectThat(isSame, () => `${this} came as another: '${exchange}' '${routingKey}', ${body.length} octets`)
    const expected = asReceived(message.properties)
    expectThat(isDeepStrictEqual(properties, expected), () => {
      const names = new Set([...Object.keys(properties), ...Object.keys(expected)]) as Set<
        keyof MessageProperties
      >
      const changed = [...names].filter(name => !isDeepStrictEqual(properties[name], expected[name]))
      return `${this} came with other properties: ${changed.join(', ')}`
    })
  }

  toString(): string {
    return `message ${this.id}`
  }
}

/** The properties as a consumer has them. */
function asReceived(properties: PublishProperties): MessageProperties {
  const writer = new ByteWriter()
  writer.begin()
  writeProperties(writer, properties)
  return readProperties(Buffer.from(writer.written()))
}
