// One life of a connection, from the first look-up to the end of its stream: the question for credentials, if there is
// somebody to ask, a dial, then a fresh ConnectionProtocol and the driver that couples them. One deadline covers all of it up
// to Open-Ok, and one signal.

import type { Duplex } from 'node:stream'
import {
  ArgumentError,
  type AuthMechanism,
  type CloseReason,
  ConnectError,
  ConnectionProtocol,
  type Endpoint,
  type ProtocolEvent,
  type ProtocolOptions,
} from '../protocol/index.js'
import { onAbort } from './abort-listeners.js'
import { BODIES } from './body-memory.js'
import type { Timer } from './clock.js'
import { askCredentials, type GivenCredentials } from './credentials.js'
import { Deferred } from './deferred.js'
import { Dial, type Intake } from './dial.js'
import { refusedAfterTls } from './dial-failure.js'
import { Driver } from './driver.js'
import type { Settings } from './options.js'

export class Link {
  /** Resolves when the handshake is complete, rejects when it never will be; then the stream is destroyed. */
  readonly opened = new Deferred<this>()
  readonly #settings: Settings
  readonly #dial: Dial
  #deadline: Timer
  #forgetSignal: (() => void) | undefined
  #driver: Driver | undefined
  /** What came before anybody was there to hear it. */
  #early: ProtocolEvent[] = []
  #endpoint: Endpoint = {}
  /** Only until it was handed on to the handshake. */
  #auth: readonly AuthMechanism[] = []
  #withdrawQuestion: (() => void) | undefined
  #secretExpiresAt: number | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#deadline = settings.clock.startTimer(this.#onDeadline, settings.connectTimeout)
    this.#dial = new Dial(settings, {
      onConnected: (stream, intake) => this.#begin(stream, intake),
      onFailed: error => this.#settle(() => this.opened.reject(error)),
    })
    const { signal } = settings
    if (signal?.aborted === true) this.#onAbort()
    else {
      if (signal !== undefined) this.#forgetSignal = onAbort(signal, this.#onAbort)
      this.#logIn()
    }
  }

  /** Only after {@link opened}. */
  get driver(): Driver {
    return this.#driver as Driver
  }

  get endpoint(): Endpoint {
    return this.#endpoint
  }

  /** When the password that was asked for expires, on the clock of the settings; undefined when it does not. */
  get secretExpiresAt(): number | undefined {
    return this.#secretExpiresAt
  }

  /** From here on events go there, those that came before first. The link has done what it is for, and nobody keeps it. */
  attach(receiveEvent: (event: ProtocolEvent) => void): void {
    this.driver.onEvent = receiveEvent
    for (const event of this.#early.splice(0)) receiveEvent(event)
  }

  /** RabbitMQ gives a connection ten seconds to log in: whoever takes long to answer is asked before it is there. */
  #logIn(): void {
    const { login, clock } = this.#settings
    const { credentials } = login
    if (credentials === undefined) return this.#startDial()
    const onGiven = (given: GivenCredentials): void => {
      this.#withdrawQuestion = undefined
      if (given.lifeMs !== undefined) this.#secretExpiresAt = clock.now() + given.lifeMs
      this.#startDial(given)
    }
    const onFailed = (cause: unknown): void => {
      const why = cause instanceof ArgumentError ? `gave none: ${cause.message}` : 'failed'
      this.#failToAsk(why, cause)
    }
    this.#withdrawQuestion = askCredentials(credentials, () => clock.wallTime(), { onGiven, onFailed })
  }

  #startDial(given?: GivenCredentials): void {
    this.#auth = this.#settings.login.mechanisms(given)
    this.#dial.start()
  }

  #failToAsk(why: string, cause?: unknown): void {
    const { address, connectionName } = this.#settings
    const message = `cannot connect to ${address}: the credentials function ${why}`
    this.#dial.fail(new ConnectError(message, 'credentials', undefined, { cause, connectionName }))
  }

  #begin(stream: Duplex, intake: Intake): void {
    const { clock, connectionName } = this.#settings
    const isForeign = this.#settings.stream !== undefined
    const localPort =
      'localPort' in stream && typeof stream.localPort === 'number' ? stream.localPort : undefined
    this.#endpoint = { connectionName, localPort }
    const create = (now: number): ConnectionProtocol => new ConnectionProtocol(this.#protocolOptions(), now)
    this.#driver = new Driver(stream, clock, create, event => this.#handle(event), isForeign)
    intake.receiver = this.#driver
    this.#driver.start()
  }

  #handle(event: ProtocolEvent): void {
    if (event.type === 'opened') return this.#settle(() => this.opened.resolve(this))
    if (event.type === 'closed') {
      const error = this.#explain(event.reason)
      this.#settle(() => this.opened.reject(error ?? new Error('closed while connecting')))
    }
    this.#early.push(event)
  }

  /** What is waited for may have come while the event loop was blocked: it is read first. */
  readonly #onDeadline = (): void => {
    this.#deadline = this.#settings.clock.afterPoll(this.#giveUp)
  }

  readonly #giveUp = (): void => {
    const what = `no answer within ${this.#settings.connectTimeout} ms`
    if (this.#withdrawQuestion !== undefined) return this.#failToAsk(`gave ${what}`)
    if (this.#driver === undefined) return this.#dial.expire()
    const error = this.#driver.protocol.explainStandstill(what, this.#driver.now())
    this.#abort({ by: 'timeout', text: what, error })
  }

  readonly #onAbort = (): void => {
    const cause: unknown = this.#settings.signal?.reason
    const error = cause instanceof Error ? cause : new Error('connecting was aborted', { cause })
    this.#settle(() => this.opened.reject(error))
    if (this.#driver === undefined) this.#dial.fail(error)
    else this.#abort({ by: 'client', text: 'connecting was aborted', error })
  }

  /** The protocol does not know what it was carried over. */
  #explain({ by, error }: CloseReason): Error | undefined {
    const isSilent = this.#driver?.protocol.counts.octetsReceived === 0
    if (this.#settings.tls === undefined || by !== 'transport' || !isSilent) return error
    return refusedAfterTls(error as ConnectError, this.#settings)
  }

  #abort(reason: CloseReason): void {
    this.#driver?.protocol.abort(reason)
    this.#driver?.flush()
  }

  #settle(tell: () => void): void {
    this.#deadline.cancel()
    this.#forgetSignal?.()
    this.#withdrawQuestion?.()
    tell()
  }

  #protocolOptions(): ProtocolOptions {
    const settings = this.#settings
    const { heartbeat, frameMax, channelMax, initialFrameMax, clientProperties } = settings
    const auth = this.#auth
    this.#auth = []
    return {
      endpoint: this.#endpoint,
      handshake: {
        address: settings.address,
        auth,
        initialFrameMax,
        virtualHost: settings.vhost,
        clientProperties,
        tune: { heartbeat, frameMax, channelMax },
      },
      bodies: BODIES,
      limits: {
        maxMessageSize: settings.maxMessageSize,
        maxBuffered: settings.maxBuffered,
        highWaterMark: settings.highWaterMark,
        rpcTimeoutMs: settings.rpcTimeout,
        confirmTimeoutMs: settings.confirmTimeout,
        closeTimeoutMs: settings.closeTimeout,
      },
    }
  }
}
