// The one call of a channel that is outstanding. RabbitMQ's replies to pipelined calls overtake each other (consume-ok after
// qos-ok, measured), so which reply belongs to which call is only known as long as there is one.
//
// A call whose caller has been told something keeps the slot: its reply is still to come. A call that wants no reply keeps it
// until its octets have left, which is all that can be said of it; a cancel is answered all the same (see onTheWire).

import {
  type CallCommand,
  type CallStep,
  isExclusive,
  isNoWait,
  isReplyTo,
  nameOf,
} from './channel-commands.js'
import type { CallName, Method, MethodOf } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** A call to tell of, and the method of it that was answered, or has left and wanted no answer. */
export interface AnsweredCall {
  readonly call: CallCommand
  readonly method: MethodOf<CallName>
  /** The caller has been told something before. */
  readonly told: boolean
}

export class CallSlot {
  #call: CallCommand | undefined
  /** Where the octets stand of a method that wants no reply. */
  #position = Number.POSITIVE_INFINITY

  /** The call that is outstanding. */
  get call(): CallCommand | undefined {
    return this.#call
  }

  /** The method that was sent last, and whose reply is awaited. */
  get awaited(): MethodOf<CallName> | undefined {
    return this.#step?.method
  }

  get deadline(): number {
    return this.#call?.deadline ?? Number.POSITIVE_INFINITY
  }

  /** Whether nothing may be sent beside it (transactions). */
  get isExclusive(): boolean {
    return this.#call !== undefined && isExclusive(nameOf(this.#call))
  }

  /** Whether it has steps that are still to be sent: what was issued after it comes after all of them. */
  get isMidCall(): boolean {
    const call = this.#call
    return call !== undefined && !call.abandoned && call.step < call.steps.length - 1
  }

  /** Whether what is outstanding is over as soon as its octets have left. */
  get awaitsDeparture(): boolean {
    return this.#position !== Number.POSITIVE_INFINITY
  }

  /** Takes a call that is about to be sent. */
  begin(call: CallCommand): CallStep {
    this.#call = call
    return this.#step as CallStep
  }

  /** A step was sent. */
  noteSent(position: number): void {
    const awaited = this.awaited as MethodOf<CallName>
    this.#position = isNoWait(awaited) ? position : Number.POSITIVE_INFINITY
  }

  /** Octets before this position have left. The call that wants no more than that, if there is one. */
  noteHandedOver(handedOver: number): AnsweredCall | undefined {
    if (this.#position >= handedOver) return undefined
    const departed = this.#end()
    if (departed.method.name !== 'basic.cancel') return departed
    this.#call = departed.call
    departed.call.abandoned = true
    return departed
  }

  /** Matches a reply: the call that is over by it, or the step that is to be sent on it. */
  takeReply(reply: Method): AnsweredCall | CallStep {
    const { awaited } = this
    if (awaited === undefined || this.awaitsDeparture || !isReplyTo(reply, awaited.name)) {
      throw new Violation(ReplyCode.ChannelError, `${reply.name} answers nothing that was asked`, reply.name)
    }
    if (!this.isMidCall) return this.#end()
    const call = this.#call as CallCommand
    call.step++
    return this.#step as CallStep
  }

  /** The channel is gone. */
  clear(): void {
    this.#call = undefined
    this.#position = Number.POSITIVE_INFINITY
  }

  get #step(): CallStep | undefined {
    return this.#call?.steps[this.#call.step]
  }

  #end(): AnsweredCall {
    const call = this.#call as CallCommand
    const ended = { call, method: this.awaited as MethodOf<CallName>, told: call.abandoned }
    this.clear()
    return ended
  }
}
