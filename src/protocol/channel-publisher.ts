// The publishing half of a channel life: numbers what it sends on a confirm channel, and settles it when the broker
// answers, refuses, returns it, stays silent too long, or is gone.

import { FRAME_OVERHEAD } from '../frames/index.js'
import type { Causes, PublishCommand } from './channel-commands.js'
import { blockedClause, type ChannelLink } from './channel-link.js'
import type { CloseReason } from './close-reason.js'
import { describeReason } from './close-reason.js'
import { ConfirmWaits } from './confirm-waits.js'
import type { Content } from './content.js'
import {
  ChannelClosedError,
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
import { COPY_LIMIT } from './outbound.js'
import type { PublishFailures } from './publish-failures.js'
import { LastPublish } from './publish-template.js'
import type { PublishTerms } from './publish-terms.js'
import { PublisherConfirms, type UnconfirmedPublish } from './publisher-confirms.js'
import type { ReturnedMessage } from './returned-message.js'
import { type Returnable, Returns } from './returns.js'

/** A publish on a confirm channel, sent and not yet confirmed. */
class SentPublish implements UnconfirmedPublish {
  readonly token: object
  readonly exchange: string
  readonly routingKey: string
  readonly position: number
  readonly terms: PublishTerms
  /** A mandatory one is kept whole as long as it may come back. */
  returnable: Returnable<ReturnedMessage> | undefined
  abandoned = false

  constructor(
    token: object,
    { exchange, routingKey }: Publishing,
    position: number,
    terms: PublishTerms,
    returnable: Returnable<ReturnedMessage> | undefined,
  ) {
    this.token = token
    this.exchange = exchange
    this.routingKey = routingKey
    this.position = position
    this.terms = terms
    this.returnable = returnable
  }

  get deadline(): number {
    return this.terms.deadline
  }

  get isMoving(): boolean {
    return !this.terms.hasBegun
  }
}

export class ChannelPublisher {
  readonly #link: ChannelLink
  readonly #channelNumber: number
  /** Octets of the largest body that is copied, in one frame. */
  readonly #smallMax: number
  readonly #last: LastPublish
  readonly #confirms = new PublisherConfirms<SentPublish>()
  readonly #returns = new Returns<ReturnedMessage>()
  readonly #waits = new ConfirmWaits()

  constructor(link: ChannelLink, channelNumber: number) {
    this.#link = link
    this.#channelNumber = channelNumber
    const { frameMax } = link.outbound
    this.#smallMax = Math.min(COPY_LIMIT, frameMax - FRAME_OVERHEAD)
    this.#last = new LastPublish(channelNumber, frameMax)
  }

  /** Publishes that the broker has not answered. */
  get outstanding(): number {
    return this.#confirms.outstanding
  }

  /** Those of them that somebody waits for. */
  get unconfirmed(): number {
    return this.#confirms.awaited
  }

  get nextDeadline(): number {
    return this.#confirms.nextDeadline
  }

  /** Where a publish that is issued now notes that it failed. */
  get failures(): PublishFailures {
    return this.#waits.failures
  }

  /**
   * Sends a message. Without a token it is one of a plain channel, and nobody hears of it again; with one it takes the next place
   * among the confirms: the broker counts what is published in confirm mode.
   */
  send(publishing: Publishing, token: object | undefined, terms: PublishTerms): void {
    if (token !== undefined && publishing.mandatory) {
      const { frameMax } = this.#link.outbound
      const frames = encodeAhead(encodePublish, this.#channelNumber, frameMax, publishing)
      return this.sendEncoded(frames, publishing, token, terms)
    }
    const position = this.#append(publishing)
    if (token !== undefined) this.#await(new SentPublish(token, publishing, position, terms, undefined))
  }

  /** Sends a message whose method and header frame are encoded. From its first octet on nothing may throw. */
  sendEncoded(frames: Buffer, publishing: Publishing, token: object | undefined, terms: PublishTerms): void {
    const { outbound } = this.#link
    const position = outbound.appendContent(this.#channelNumber, copyPublish, frames, publishing.body)
    if (token === undefined) return
    const { exchange, routingKey, mandatory, body } = publishing
    const returnable = mandatory
      ? this.#returns.add({ exchange, routingKey, propertyOctets: propertyOctetsIn(frames), body })
      : undefined
    this.#await(new SentPublish(token, publishing, position, terms, returnable))
  }

  /** The broker confirms (ack) or refuses (nack). */
  settle(deliveryTag: number, multiple: boolean, accepted: boolean): void {
    const confirmed: object[] = []
    for (const publish of this.#confirms.settle(deliveryTag, multiple)) {
      if (publish.abandoned) continue
      const returned = this.#returnOf(publish, accepted)
      if (returned !== undefined) this.#fail(publish, new ReturnedError(returned, this.#link.endpoint))
      else if (accepted) confirmed.push(publish.token)
      else this.#fail(publish, nacked(publish, this.#link.endpoint))
    }
    if (confirmed.length > 0) this.#link.emit({ type: 'confirmed', tokens: confirmed })
    this.#answerWaits()
  }

  /** Somebody asks whether all publishes so far are confirmed. */
  issueWait(token: object): void {
    this.#waits.issue(token)
  }

  /** All that was issued before that question is sent. */
  reachWait(token: object): void {
    this.#waits.reach(token, this.#confirms.nextTag - 1)
    this.#answerWaits()
  }

  /** A message came back. False when it belongs to no outstanding publish. */
  assignReturn(message: ReturnedMessage, { propertyOctets }: Content): boolean {
    return this.#returns.assign(message, { ...message, propertyOctets })
  }

  /** Gives up on confirms that are overdue. They may still arrive, and a return then belongs to nobody. */
  expire(now: number): void {
    for (const publish of this.#confirms.expire(now)) {
      const why = `no confirm within ${publish.terms.timeoutMs} ms${blockedClause(this.#link)}`
      this.#giveUp(publish, why, 'unknown', this.#link.endpoint)
    }
    this.#answerWaits()
  }

  /** Nobody wants to wait any more for what was published, or asked, under these tokens. */
  withdraw(causes: Causes): void {
    for (const publish of this.#confirms.withdraw(causes)) {
      const cause = causes.get(publish.token) as Error
      this.#giveUp(publish, cause.message, 'unknown', { ...this.#link.endpoint, cause })
    }
    for (const token of this.#waits.withdraw(causes)) {
      this.#link.emit({ type: 'failed', token, error: causes.get(token) as Error })
    }
    this.#answerWaits()
  }

  /** A message that never left its queue will not be sent. */
  failUnsent(publish: PublishCommand, why: string, details: ErrorDetails): void {
    if (publish.token === undefined) return
    const error = new UnconfirmedError(why, { ...publish.publishing, outcome: 'not-sent' }, details)
    if (publish.confirming) publish.terms.failures.note(error)
    this.#link.emit({ type: 'failed', token: publish.token, error })
  }

  /** A publish was refused where it was issued. Whoever asks about all publishes wants to know. */
  noteRefused(error: Error): void {
    this.failures.note(error)
  }

  /**
   * The channel is gone: what was not confirmed never will be. When the connection is gone too, what has not left will not
   * leave; otherwise it still does, before channel.close.
   */
  end(reason: CloseReason, details: ErrorDetails, connectionLost: boolean): void {
    const lastPosition = connectionLost ? this.#link.outbound.handedOver : Number.POSITIVE_INFINITY
    for (const publish of this.#confirms.drain()) {
      if (publish.abandoned) continue
      const outcome: PublishOutcome = publish.position >= lastPosition ? 'not-sent' : 'unknown'
      this.#giveUp(publish, describeReason(reason), outcome, details)
    }
    for (const token of this.#waits.drain()) {
      const error = new ChannelClosedError(reason, this.#channelNumber, details)
      this.#link.emit({ type: 'failed', token, error })
    }
  }

  #await(publish: SentPublish): void {
    this.#confirms.add(publish)
    this.#link.wakeBy(publish.deadline)
  }

  #append(publishing: Publishing): number {
    const { outbound } = this.#link
    const { body } = publishing
    const isSmall = body.length > 0 && body.length <= this.#smallMax
    const template = isSmall ? this.#last.templateOf(publishing) : undefined
    if (template !== undefined) return outbound.appendStamped(template, body)
    return outbound.appendContent(this.#channelNumber, encodePublish, publishing, body)
  }

  /** No confirm is waited for any more. What came back was not routed; of the rest it is not known. */
  #giveUp(publish: SentPublish, why: string, outcome: PublishOutcome, details: ErrorDetails): void {
    const returned = this.#returnOf(publish, false)
    if (returned === undefined)
      this.#fail(publish, new UnconfirmedError(why, { ...publish, outcome }, details))
    else this.#fail(publish, new ReturnedError(returned, details))
  }

  /** What came back of a publish that is settled now. */
  #returnOf(publish: SentPublish, confirmed: boolean): ReturnedMessage | undefined {
    const { returnable } = publish
    if (returnable === undefined) return undefined
    publish.returnable = undefined
    return this.#returns.settle(returnable, confirmed)
  }

  #answerWaits(): void {
    for (const { token, failures } of this.#waits.take(this.#confirms.oldestTag)) {
      const error = failures.error(this.#link.endpoint)
      if (error === undefined) this.#link.emit({ type: 'replied', token, reply: undefined })
      else this.#link.emit({ type: 'failed', token, error })
    }
  }

  #fail(publish: SentPublish, error: UnconfirmedError | NackedError | ReturnedError): void {
    publish.terms.failures.note(error)
    this.#link.emit({ type: 'failed', token: publish.token, error })
  }
}

function nacked(publish: SentPublish, details: ErrorDetails): NackedError {
  const { exchange, routingKey } = publish
  return new NackedError(
    `publish to exchange '${exchange}' with routing key '${routingKey}' was refused by the broker (basic.nack)`,
    details,
  )
}
