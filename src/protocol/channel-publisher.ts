// The publishing half of a channel life: numbers what it sends on a confirm channel, and settles it when the broker
// answers, refuses, returns it, stays silent too long, or is gone.

import type { ChannelLink } from './channel-link.js'
import type { CloseReason } from './close-reason.js'
import { describeReason } from './close-reason.js'
import type { Content } from './content.js'
import {
  type ErrorDetails,
  NackedError,
  type PublishOutcome,
  ReturnedError,
  UnconfirmedError,
} from './errors.js'
import {
  copyPublish,
  encodeAhead,
  encodePublish,
  type Publishing,
  propertyOctetsIn,
} from './frame-writers.js'
import { PublisherConfirms, type UnconfirmedPublish } from './publisher-confirms.js'
import type { ReturnedMessage } from './returned-message.js'
import { type MandatoryPublish, Returns } from './returns.js'

/** A publish on a confirm channel, sent and not yet confirmed; kept whole as long as it may be returned. */
interface SentPublish extends UnconfirmedPublish {
  readonly mandatory: (MandatoryPublish<ReturnedMessage> & { readonly body: Buffer }) | undefined
}

export class ChannelPublisher {
  readonly #link: ChannelLink
  readonly #channelNumber: number
  readonly #confirms = new PublisherConfirms<SentPublish>()
  readonly #returns = new Returns<ReturnedMessage, MandatoryPublish<ReturnedMessage>>()

  constructor(link: ChannelLink, channelNumber: number) {
    this.#link = link
    this.#channelNumber = channelNumber
  }

  /** Publishes that the broker has not answered. */
  get unconfirmed(): number {
    return this.#confirms.outstanding
  }

  get nextDeadline(): number {
    return this.#confirms.nextDeadline
  }

  /** Sends a message. On a plain channel nobody hears of it again. */
  send(publishing: Publishing, token: object | undefined, deadline: number): void {
    if (token !== undefined && publishing.mandatory) {
      const { frameMax } = this.#link.outbound
      const frames = encodeAhead(encodePublish, this.#channelNumber, frameMax, publishing)
      return this.sendEncoded(frames, publishing, token, deadline)
    }
    const { outbound } = this.#link
    const position = outbound.appendContent(this.#channelNumber, encodePublish, publishing, publishing.body)
    if (token !== undefined) this.#number(publishing, token, position, deadline, undefined)
  }

  /** Sends a message whose method and header frame are encoded. From its first octet on nothing may throw. */
  sendEncoded(frames: Buffer, publishing: Publishing, token: object | undefined, deadline: number): void {
    const { exchange, routingKey, body, mandatory } = publishing
    const position = this.#link.outbound.appendContent(this.#channelNumber, copyPublish, frames, body)
    if (token === undefined) return
    const kept = mandatory
      ? { exchange, routingKey, body, propertyOctets: propertyOctetsIn(frames), returned: undefined }
      : undefined
    this.#number(publishing, token, position, deadline, kept)
  }

  /** Takes the next place among the confirms: the broker counts what is published in confirm mode. */
  #number(
    { exchange, routingKey }: Publishing,
    token: object,
    position: number,
    deadline: number,
    mandatory: SentPublish['mandatory'],
  ): void {
    if (mandatory !== undefined) this.#returns.add(mandatory)
    this.#confirms.add({ token, exchange, routingKey, position, deadline, mandatory, abandoned: false })
    this.#link.wakeBy(deadline)
  }

  /** The broker confirms (ack) or refuses (nack). */
  settle(deliveryTag: number, multiple: boolean, accepted: boolean): void {
    const confirmed: object[] = []
    for (const publish of this.#confirms.settle(deliveryTag, multiple)) {
      const returned = publish.mandatory?.returned
      this.#expectNoReturn(publish)
      if (publish.abandoned) continue
      if (returned !== undefined) this.#fail(publish, new ReturnedError(returned, this.#link.endpoint))
      else if (accepted) confirmed.push(publish.token)
      else this.#fail(publish, nacked(publish, this.#link.endpoint))
    }
    if (confirmed.length > 0) this.#link.emit({ type: 'confirmed', tokens: confirmed })
  }

  /** A message came back. False when it belongs to no outstanding publish. */
  assignReturn(message: ReturnedMessage, content: Content): boolean {
    const { exchange, routingKey } = message
    return this.#returns.assign(message, {
      exchange,
      routingKey,
      propertyOctets: content.propertyOctets,
      body: content.body,
    })
  }

  /** Gives up on confirms that are overdue. They may still arrive, and a return then belongs to nobody. */
  expire(now: number): void {
    for (const publish of this.#confirms.expire(now)) {
      this.#expectNoReturn(publish)
      const why = `no confirm within ${this.#link.limits.confirmTimeoutMs} ms${this.#blockedClause()}`
      this.#fail(publish, new UnconfirmedError(why, { ...publish, outcome: 'unknown' }, this.#link.endpoint))
    }
  }

  /** A message that never left its queue will not be sent. */
  fail(
    publish: { token: object | undefined; publishing: Publishing },
    why: string,
    details: ErrorDetails,
  ): void {
    if (publish.token === undefined) return
    const error = new UnconfirmedError(why, { ...publish.publishing, outcome: 'not-sent' }, details)
    this.#link.emit({ type: 'failed', token: publish.token, error })
  }

  /**
   * The channel is gone: what was not confirmed never will be. When the connection is gone too, what has not left will not
   * leave; otherwise it still does, before channel.close.
   */
  end(reason: CloseReason, details: ErrorDetails, connectionLost: boolean): void {
    const lastPosition = connectionLost ? this.#link.outbound.handedOver : Number.POSITIVE_INFINITY
    for (const publish of this.#confirms.drain()) {
      this.#expectNoReturn(publish)
      if (publish.abandoned) continue
      const outcome: PublishOutcome = publish.position >= lastPosition ? 'not-sent' : 'unknown'
      this.#fail(publish, new UnconfirmedError(describeReason(reason), { ...publish, outcome }, details))
    }
  }

  /** The message need not be kept any more. */
  #expectNoReturn({ mandatory }: SentPublish): void {
    if (mandatory !== undefined) this.#returns.delete(mandatory)
  }

  #fail(publish: SentPublish, error: UnconfirmedError | NackedError | ReturnedError): void {
    this.#link.emit({ type: 'failed', token: publish.token, error })
  }

  #blockedClause(): string {
    const { blocked } = this.#link
    return blocked === undefined ? '' : `; the broker blocks the connection: ${blocked}`
  }
}

function nacked(publish: SentPublish, details: ErrorDetails): NackedError {
  const { exchange, routingKey } = publish
  return new NackedError(
    `publish to exchange '${exchange}' with routing key '${routingKey}' was refused by the broker (basic.nack)`,
    details,
  )
}
