// Opening a connection (spec 2.2.4, 1.4.2): what is answered to Start, Secure and Tune, and what it means when the server
// goes away in the middle. RabbitMQ refuses most things here without a word: three seconds of silence, then a reset
// (protocol headers, mechanisms, malformed responses, tuning). The phase is all there is to explain it by.

import { ArgumentError, type FieldTable, FRAME_MIN_SIZE, INITIAL_FRAME_MAX } from '../frames/index.js'
import { AuthenticationError, ConnectError, type ConnectPhase, type ErrorDetails } from './errors.js'
import { encodeAhead, encodeMethodFrame } from './frame-writers.js'
import type { Method, MethodArgs, MethodOf } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import type { AuthMechanism } from './sasl.js'
import { negotiateTune, type TuneParameters, type TuneWishes } from './tune.js'
import { Violation } from './violation.js'

export interface HandshakeOptions {
  /** Where this connection goes, for error messages: `localhost:5672`. */
  readonly address: string
  readonly auth: AuthMechanism
  readonly virtualHost: string
  /** Without `capabilities`: those are what this layer implements. */
  readonly clientProperties: FieldTable
  readonly tune: TuneWishes
}

/** Extensions of RabbitMQ that are implemented here. The server checks only the first three (real booleans, in a table). */
const CAPABILITIES: FieldTable = Object.freeze({
  authentication_failure_close: true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_priorities: true,
  per_consumer_qos: true,
  direct_reply_to: true,
})

export class Handshake {
  /** What is being waited for. */
  phase: Extract<ConnectPhase, 'start' | 'tune' | 'open'> = 'start'
  readonly #options: HandshakeOptions
  readonly #startedAt: number
  #serverProperties: FieldTable = Object.create(null)
  #tune: TuneParameters | undefined

  constructor(options: HandshakeOptions, now: number) {
    this.#options = options
    this.#startedAt = now
  }

  get serverProperties(): FieldTable {
    return this.#serverProperties
  }

  /** The limits agreed on; undefined before Tune. */
  get tune(): TuneParameters | undefined {
    return this.#tune
  }

  answerStart(
    start: MethodArgs<'connection.start'>,
    now: number,
    details: ErrorDetails,
  ): MethodOf<'connection.start-ok'> {
    const { auth, clientProperties } = this.#options
    if (start.versionMajor !== 0 || start.versionMinor !== 9) {
      const version = `${start.versionMajor}-${start.versionMinor}`
      throw this.#error(`the server starts AMQP ${version} instead of 0-9`, undefined, now, details)
    }
    const offered = start.mechanisms.toString().split(' ')
    if (!offered.includes(auth.mechanism)) {
      const what = `the server does not offer the authentication mechanism ${auth.mechanism}`
      throw this.#error(what, `it offers ${offered.join(', ')}`, now, details)
    }
    this.#serverProperties = start.serverProperties
    const respond = (): MethodOf<'connection.start-ok'> => {
      const properties = { ...clientProperties, capabilities: CAPABILITIES }
      const response = Buffer.from(auth.initialResponse())
      const args = { clientProperties: properties, mechanism: auth.mechanism, response, locale: 'en_US' }
      return { name: 'connection.start-ok', args }
    }
    const answer = this.#askMechanism(respond, now, details)
    this.phase = 'tune'
    return answer
  }

  answerSecure(
    { challenge }: MethodArgs<'connection.secure'>,
    now: number,
    details: ErrorDetails,
  ): MethodOf<'connection.secure-ok'> {
    const { auth } = this.#options
    const { answer } = auth
    if (answer === undefined) {
      const what = `unexpected challenge for ${auth.mechanism}`
      throw new Violation(ReplyCode.CommandInvalid, what, 'connection.secure')
    }
    const respond = (): MethodOf<'connection.secure-ok'> => {
      return { name: 'connection.secure-ok', args: { response: Buffer.from(answer.call(auth, challenge)) } }
    }
    return this.#askMechanism(respond, now, details)
  }

  /** Tune-Ok and Open leave together: nothing in between could change what is opened. */
  answerTune(tune: MethodArgs<'connection.tune'>): {
    readonly tune: TuneParameters
    readonly answers: readonly Method[]
  } {
    if (tune.frameMax !== 0 && tune.frameMax < FRAME_MIN_SIZE) {
      const text = `frame-max ${tune.frameMax} is below the specification's minimum of ${FRAME_MIN_SIZE}`
      throw new Violation(ReplyCode.SyntaxError, text, 'connection.tune')
    }
    const negotiated = negotiateTune(tune, this.#options.tune)
    this.#tune = negotiated
    this.phase = 'open'
    return {
      tune: negotiated,
      answers: [
        { name: 'connection.tune-ok', args: { ...negotiated } },
        { name: 'connection.open', args: { virtualHost: this.#options.virtualHost } },
      ],
    }
  }

  /** The server sent Connection.Close. */
  refused(replyCode: number, replyText: string, now: number, details: ErrorDetails): ConnectError {
    const what = `the server refused: ${replyCode} ${replyText}`
    const told = { ...details, replyCode, replyText }
    if (this.phase === 'open') {
      const hint = replyCode === ReplyCode.NotAllowed ? this.#hintOfVirtualHost() : undefined
      return this.#error(what, hint, now, told)
    }
    if (replyCode !== ReplyCode.AccessRefused) return this.#error(what, undefined, now, told)
    const hint = "check username and password; RabbitMQ lets 'guest' in from its own host only"
    return this.#error(what, hint, now, told, AuthenticationError)
  }

  /** The peer went away, or stayed silent, in the phase that is running. */
  failed(what: string, now: number, details: ErrorDetails): ConnectError {
    return this.#error(what, this.#hintOfPhase(), now, details)
  }

  /** It is not an AMQP 0-9-1 server, or it breaks the protocol. */
  broken(what: string, hint: string | undefined, now: number, details: ErrorDetails): ConnectError {
    return this.#error(what, hint, now, details)
  }

  /** The mechanism is the application's: what is wrong with its answer is no fault of the server's. */
  #askMechanism<M extends Method>(respond: () => M, now: number, details: ErrorDetails): M {
    try {
      const answer = respond()
      encodeAhead(encodeMethodFrame, 0, INITIAL_FRAME_MAX, answer as Method)
      return answer
    } catch (error) {
      const failed = `the authentication mechanism ${this.#options.auth.mechanism} failed`
      const what = error instanceof ArgumentError ? error.message : failed
      throw this.#error(what, undefined, now, { ...details, cause: error })
    }
  }

  #hintOfVirtualHost(): string {
    const { virtualHost } = this.#options
    const hint = `check that the virtual host '${virtualHost}' exists and that the user may use it`
    return virtualHost === '' ? `${hint}; in a URI leave out the slash behind the host to get '/'` : hint
  }

  #hintOfPhase(): string {
    if (this.phase === 'start') return 'the broker may still be starting, or expect TLS'
    if (this.phase === 'tune') {
      return 'the server probably refused the credentials or the mechanism; it does so without saying why when it is old'
    }
    const { channelMax, frameMax, heartbeat } = this.#tune as TuneParameters
    const sent = `channelMax ${channelMax}, frameMax ${frameMax}, heartbeat ${heartbeat}`
    return `the server probably refused the tuning: ${sent}; RabbitMQ 4.1 and later want a frameMax of at least 8192`
  }

  #error(
    what: string,
    hint: string | undefined,
    now: number,
    details: ErrorDetails,
    type: typeof ConnectError = ConnectError,
  ): ConnectError {
    const elapsed = Math.round(now - this.#startedAt)
    const message = `cannot connect to ${this.#options.address}: ${what}, waiting for ${AWAITED[this.phase]} after ${elapsed} ms`
    return new type(message, this.phase, hint, details)
  }
}

/**
 * Whether it would fail at every other server of a cluster too, because this one has said so: credentials, virtual host. One
 * that only hung up may be going down.
 */
export function failsEverywhere({ replyCode }: ConnectError): boolean {
  return replyCode === ReplyCode.AccessRefused || replyCode === ReplyCode.NotAllowed
}

/** What each phase waits for, in words. */
const AWAITED: Record<Handshake['phase'], string> = {
  start: 'Connection.Start',
  tune: 'Connection.Tune',
  open: 'Connection.Open-Ok',
}
