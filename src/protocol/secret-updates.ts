// connection.update-secret (RabbitMQ): a new password or token for a connection that runs. One is outstanding at a time and
// the rest wait, as with the calls of a channel. The server answers a secret that it refuses by closing the connection (530).

import type { Causes } from './channel-commands.js'
import { blockedClause, type ChannelLink } from './channel-link.js'
import { overfull } from './command-errors.js'
import { COMMAND_OVERHEAD } from './command-queue.js'
import { CallTimeoutError } from './errors.js'
import { copyMethodFrame, encodeAhead, encodeMethodFrame } from './frame-writers.js'
import type { MethodArgs } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

interface SecretUpdate {
  readonly token: object
  readonly frames: Buffer
  readonly octets: number
  readonly deadline: number
  readonly timeoutMs: number
}

const METHOD = 'connection.update-secret'

export class SecretUpdates {
  readonly #link: ChannelLink
  /** The one whose reply is awaited; `told` once nobody waits for it any more. */
  #outstanding: (SecretUpdate & { told: boolean }) | undefined
  /** Undefined when none waits. */
  #queue: SecretUpdate[] | undefined
  /** Of those that wait. */
  #octets = 0

  constructor(link: ChannelLink) {
    this.#link = link
  }

  /** No reply is awaited: then none waits either. */
  get isEmpty(): boolean {
    return this.#outstanding === undefined
  }

  get nextDeadline(): number {
    const outstanding =
      this.#outstanding?.told === false ? this.#outstanding.deadline : Number.POSITIVE_INFINITY
    if (this.#queue === undefined) return outstanding
    return this.#queue.reduce((earliest, { deadline }) => Math.min(earliest, deadline), outstanding)
  }

  /** Throws an ArgumentError when an argument cannot be encoded, a BackpressureError when too much waits. */
  request(
    args: MethodArgs<typeof METHOD>,
    token: object,
    now: number,
    timeoutMs = this.#link.limits.rpcTimeoutMs,
  ): void {
    const { outbound, limits } = this.#link
    const frames = encodeAhead(encodeMethodFrame, 0, outbound.frameMax, { name: METHOD, args })
    const octets = frames.length + COMMAND_OVERHEAD
    if (this.#octets + octets > limits.maxBuffered) throw overfull('a call', octets, this.#octets, this.#link)
    this.#octets += octets
    this.#queue ??= []
    this.#queue.push({ token, frames, octets, deadline: now + timeoutMs, timeoutMs })
    this.#advance()
  }

  /** connection.update-secret-ok. */
  takeReply(): void {
    const answered = this.#outstanding
    if (answered === undefined) {
      throw new Violation(
        ReplyCode.CommandInvalid,
        `${METHOD}-ok answers nothing that was asked`,
        `${METHOD}-ok`,
      )
    }
    this.#outstanding = undefined
    const { token, told } = answered
    if (!told) this.#link.emit({ type: 'replied', token, reply: undefined })
    this.#advance()
  }

  expire(now: number): void {
    this.#fail(
      ({ deadline }) => deadline <= now,
      ({ timeoutMs }) => {
        const text = `${METHOD}: no reply within ${timeoutMs} ms${blockedClause(this.#link)}`
        return new CallTimeoutError(text, { ...this.#link.endpoint, method: METHOD })
      },
    )
  }

  /** Nobody wants to wait any more under these tokens. One that has not left is taken back. */
  withdraw(causes: Causes): void {
    this.#fail(
      ({ token }) => causes.has(token),
      ({ token }) => causes.get(token) as Error,
    )
  }

  /** The connection is ending. */
  end(error: Error): void {
    this.#fail(
      () => true,
      () => error,
    )
  }

  #fail(isOver: (update: SecretUpdate) => boolean, errorOf: (update: SecretUpdate) => Error): void {
    if (this.#outstanding === undefined) return
    const over = (this.#queue ?? []).filter(isOver)
    this.#queue = this.#queue?.filter(update => !isOver(update))
    for (const { octets } of over) this.#octets -= octets
    if (!this.#outstanding.told && isOver(this.#outstanding)) {
      this.#outstanding.told = true
      over.unshift(this.#outstanding)
    }
    for (const update of over)
      this.#link.emit({ type: 'failed', token: update.token, error: errorOf(update) })
  }

  #advance(): void {
    if (this.#outstanding !== undefined) return
    const next = this.#queue?.shift()
    if (this.#queue?.length === 0) this.#queue = undefined
    if (next === undefined) return
    this.#octets -= next.octets
    this.#outstanding = { ...next, told: false }
    this.#link.outbound.append(0, copyMethodFrame, next.frames)
  }
}
