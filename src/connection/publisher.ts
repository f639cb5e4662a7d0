// Publishing on one life of a channel: the hot path. A publish without limits of its own costs one promise on a confirm
// channel, and none on a plain one, where those that have to wait share theirs.

import { Buffer } from 'node:buffer'
import {
  ArgumentError,
  CallTimeoutError,
  type ChannelProtocol,
  DEFAULT_PROPERTIES,
  type Endpoint,
  isPropertyName,
  kindOf,
  type Publishing,
  type PublishProperties,
  UnconfirmedError,
} from '../protocol/index.js'
import { type AbortWatch, abortCause, expectNotAborted } from './abort-watch.js'
import { type Check, checkOptions, isObject } from './arguments.js'
import { CALL_CHECKS, type CallOptions } from './call-options.js'
import type { ChannelHost } from './channel-host.js'
import { type Body, PUBLISH_CHECKS, type PublishOptions } from './channel-options.js'
import { Deferred, handled } from './deferred.js'
import { nothing, PendingCall } from './pending-call.js'
import { PASSED } from './publish-gate.js'
import { giveUpAfter } from './wait-limit.js'

/** A publish of a plain channel with limits of its own. */
export class LimitedPublish extends PendingCall<void> {
  readonly #exchange: string
  readonly #routingKey: string
  #isHeldUp = false

  constructor({ exchange, routingKey }: Publishing) {
    super(nothing)
    this.#exchange = exchange
    this.#routingKey = routingKey
  }

  /** The message is accepted for sending; only its publisher still waits, for room. */
  holdUp(): void {
    this.#isHeldUp = true
  }

  /** Its publisher waits no longer. What the protocol layer still has is the protocol layer's to say. */
  giveUp(why: string, details: Endpoint & { readonly cause?: unknown }): void {
    if (!this.#isHeldUp) return
    const publish = { exchange: this.#exchange, routingKey: this.#routingKey, outcome: 'unknown' } as const
    this.reject(new UnconfirmedError(why, publish, details))
  }
}

export class Publisher {
  readonly #life: ChannelProtocol
  readonly #host: ChannelHost
  readonly #aborts: AbortWatch
  /** Shared by the publishes of a plain channel that have to wait. */
  #drained: Deferred<void> | undefined

  constructor(life: ChannelProtocol, host: ChannelHost, aborts: AbortWatch) {
    this.#life = life
    this.#host = host
    this.#aborts = aborts
  }

  publish(
    exchange: string,
    routingKey: string,
    body: Body,
    options: PublishOptions | undefined,
  ): Promise<void> {
    const token = this.#life.confirming ? new Deferred<void>() : undefined
    try {
      const octets = octetsOf(body)
      const properties = propertiesOf(options)
      const mandatory = options?.mandatory === true
      const publishing = { exchange, routingKey, mandatory, properties, body: octets }
      if (options !== undefined && (options.signal !== undefined || options.timeout !== undefined)) {
        return this.#publishLimited(publishing, options, token)
      }
      const before = this.#host.appended()
      // Nothing waits on a plain channel, and so nothing looks at the clock.
      const now = token === undefined ? 0 : this.#host.turnTime()
      const sent = this.#life.publish(publishing, token, now)
      // Before the flush, which may be all that it takes.
      const drained = token === undefined && sent === 'queued' ? this.#whenDrained() : undefined
      this.#host.flush()
      if (token !== undefined) return token.promise
      const passed = this.#host.publishGate.pass(this.#host.appended() - before)
      if (drained === undefined) return passed
      return passed === PASSED ? drained : handled(() => drained.then(() => passed))
    } catch (error) {
      // The time was asked for, and stands until the turn ends.
      this.#host.flush()
      const failed = token ?? new Deferred<void>()
      failed.reject(error as Error)
      return failed.promise
    }
  }

  /**
   * As a mandatory {@link publish}, for somebody who may give it up: what is returned is what to give up. Undefined on a plain
   * channel when it is on its way: nothing more is heard of it, unless it comes back.
   */
  publishRevocable(
    exchange: string,
    routingKey: string,
    body: Body,
    options: PublishOptions,
  ): Deferred<void> | undefined {
    const token = this.#life.confirming ? new Deferred<void>() : new PendingCall<void>(nothing)
    const octets = octetsOf(body)
    const publishing = {
      exchange,
      routingKey,
      mandatory: true,
      properties: propertiesOf(options),
      body: octets,
    }
    const sent = this.#life.publish(publishing, token, this.#host.turnTime())
    this.#host.flush()
    return sent === 'sent' && !this.#life.confirming ? undefined : token
  }

  /** Resolves when all publishes so far are confirmed. Each has a deadline, so without one of its own it ends too. */
  waitForConfirms(options: CallOptions): Promise<void> {
    const wait = new PendingCall<void>(nothing)
    try {
      checkOptions(options, CALL_CHECKS, 'options')
      const { signal, timeout } = options
      expectNotAborted(signal)
      this.#life.awaitConfirms(wait, this.#host.now())
      this.#host.flush()
      this.#aborts.watch(signal, wait)
      if (timeout !== undefined) {
        giveUpAfter(this.#host.clock, timeout, wait, () => this.#withdrawWait(wait, timeout))
      }
    } catch (error) {
      wait.reject(error as Error)
    }
    return wait.promise
  }

  /** All publishes of a plain channel that had to wait are accepted for sending. */
  noteDrained(): void {
    this.#drained?.resolve()
    this.#drained = undefined
  }

  /** The channel is gone. */
  end(error: Error): void {
    this.#drained?.reject(error)
    this.#drained = undefined
  }

  #whenDrained(): Promise<void> {
    this.#drained ??= new Deferred()
    return this.#drained.promise
  }

  #publishLimited(
    publishing: Publishing,
    { signal, timeout }: PublishOptions,
    token: Deferred<void> | undefined,
  ): Promise<void> {
    if (signal?.aborted === true) throw this.#abortedBefore(publishing, signal)
    const { publishGate, clock, endpoint } = this.#host
    const wait = token ?? new LimitedPublish(publishing)
    // On a plain channel it settles when it is accepted: from then on the octets are the application's again.
    const body = token === undefined ? Buffer.from(publishing.body) : publishing.body
    const before = this.#host.appended()
    const sent = this.#life.publish({ ...publishing, body }, wait, this.#host.turnTime(), timeout)
    this.#host.flush()
    if (sent === 'sent' && wait instanceof LimitedPublish) {
      if (publishGate.passAlone(this.#host.appended() - before, wait)) return wait.promise
      wait.holdUp()
      if (timeout !== undefined) {
        const why = `no room to send more within ${timeout} ms`
        giveUpAfter(clock, timeout, wait, () => wait.giveUp(why, endpoint))
      }
    }
    this.#aborts.watch(signal, wait)
    return wait.promise
  }

  #abortedBefore({ exchange, routingKey }: Publishing, signal: AbortSignal): UnconfirmedError {
    const cause = abortCause(signal)
    const details = { ...this.#host.endpoint, cause }
    return new UnconfirmedError(cause.message, { exchange, routingKey, outcome: 'not-sent' }, details)
  }

  #withdrawWait(wait: object, timeout: number): void {
    const text = `waitForConfirms: not all publishes were confirmed within ${timeout} ms`
    this.#life.withdraw(new Map([[wait, new CallTimeoutError(text, this.#host.endpoint)]]))
    this.#host.flush()
  }
}

/** The octets of a body. */
function octetsOf(body: Body): Buffer {
  if (typeof body === 'string') return Buffer.from(body)
  if (Buffer.isBuffer(body)) return body
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  throw new ArgumentError('body', `must be a string, a Buffer or a Uint8Array, not ${kindOf(body)}`)
}

/** The content properties of a publish: persistent unless it says otherwise. */
function propertiesOf(options: PublishOptions | undefined): PublishProperties {
  if (options === undefined) return DEFAULT_PROPERTIES
  isObject(options, 'options')
  for (const name in options) {
    if (!isPropertyName(name)) checkOption(name, options[name as keyof PublishOptions])
  }
  return options.deliveryMode === undefined ? { ...options, deliveryMode: 2 } : options
}

function checkOption(name: string, value: unknown): void {
  const checks: Readonly<Record<string, Check>> = PUBLISH_CHECKS
  const check = Object.hasOwn(checks, name) ? checks[name] : undefined
  if (check === undefined) {
    const hint = name === 'persistent' ? '; deliveryMode 2 is persistent, and the default' : ''
    const known = `${Object.keys(checks).join(', ')} and the content properties`
    throw new ArgumentError(`options.${name}`, `is unknown; known are ${known}${hint}`)
  }
  if (value !== undefined) check(value, `options.${name}`)
}
