// What the model broker did with each message, to hold against what its publisher was told.

import { NackedError, ReturnedError, UnconfirmedError } from '../../../src/protocol/index.js'
import { readProperties } from '../../../src/protocol/properties.js'
import type { BrokerObserver } from '../broker/broker-observer.js'
import type { Message } from '../broker/broker-queue.js'
import { expectThat } from '../world/finding.js'
import type { Outcome } from '../world/operation.js'
import type { PublishAccount } from '../world/publish-account.js'
import type { World } from '../world/world.js'

export class Truth implements BrokerObserver {
  readonly #world: World
  readonly #arrived = new Set<number>()
  readonly #confirmed = new Map<number, boolean>()
  readonly #returned = new Set<number>()
  /** By channel: the last message that has arrived. */
  readonly #last = new Map<number, number>()
  readonly #unsent: PublishAccount[] = []

  constructor(world: World) {
    this.#world = world
  }

  onArrival(message: Message): void {
    const id = idOf(message)
    const publish = this.#world.publishes.get(id)
    expectThat(publish !== undefined, () => `nobody published message ${id}`)
    publish.expectSame({ ...message, properties: readProperties(message.propertyOctets) })
    const { index } = publish.channel
    const last = this.#last.get(index) ?? 0
    expectThat(last < id, () => `${publish} arrived behind message ${last}`)
    this.#last.set(index, id)
    this.#arrived.add(id)
  }

  onRouted(message: Message, queues: readonly string[], isRejected: boolean): void {
    const publish = this.#world.publishes.get(idOf(message))
    const expected = publish?.targets.map(({ name }) => name) ?? []
    expectThat(
      isRejected || queues.length === expected.length,
      () => `${publish} went to ${queues}, not ${expected}`,
    )
  }

  onConfirmed(message: Message, accepted: boolean): void {
    this.#confirmed.set(idOf(message), accepted)
  }

  onReturned(message: Message): void {
    this.#returned.add(idOf(message))
  }

  /** What the publisher is told must be what was done. */
  expectTold(publish: PublishAccount, outcome: Outcome): void {
    const { id } = publish
    const error = outcome.kind === 'failed' ? outcome.error : undefined
    if (outcome.kind === 'confirmed') {
      const isTrue = this.#confirmed.get(id) === true && !this.#returned.has(id)
      expectThat(isTrue, () => `${publish} was not confirmed by the broker, or it came back`)
    } else if (error instanceof NackedError)
      expectThat(this.#confirmed.get(id) === false, () => `${publish} was not refused by the broker`)
    else if (error instanceof ReturnedError)
      expectThat(this.#returned.has(id), () => `${publish} was not returned by the broker`)
    else if (error instanceof UnconfirmedError && error.outcome === 'not-sent') this.#unsent.push(publish)
    else
      expectThat(
        error !== undefined || !publish.channel.confirms || this.#world.isRough,
        () => `${publish} ended with nothing`,
      )
  }

  /** What was not sent has not arrived, then and later. */
  expectHonest(): void {
    for (const publish of this.#unsent)
      expectThat(
        !this.#arrived.has(publish.id),
        () => `${publish} has arrived, and was said not to have been sent`,
      )
  }
}

export function idOf({ propertyOctets }: Pick<Message, 'propertyOctets'>): number {
  return Number(readProperties(propertyOctets).messageId)
}
