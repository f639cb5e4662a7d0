// Opening a connection (spec 2.2.4, 1.4.2): what is answered to Start, Secure and Tune, and what it means when the server
// goes away in the middle. RabbitMQ refuses most things here without a word: three seconds of silence, then a reset
// (protocol headers, mechanisms, malformed responses, tuning). The phase is all there is to explain it by.

import { ArgumentError, type FieldTable, FRAME_MIN_SIZE } from '../frames/index.js'
import { AuthenticationError, ConnectError, type ConnectPhase, type ErrorDetails } from './errors.js'
import { encodeAhead, encodeMethodFrame } from './frame-writers.js'
import { initialFrameMaxOf } from './initial-frame-max.js'
import type { Method, MethodArgs, MethodOf } from './method-types.js'
import { ReplyCode } from './reply-codes.js'
import { type AuthMechanism, conceal } from './sasl.js'
import { negotiateTune, type TuneParameters, type TuneWishes } from './tune.js'
import { Violation } from './violation.js'

export interface HandshakeOptions {
  /** Where this connection goes, for error messages: `localhost:5672`. */
  readonly address: string
  /** Mechanisms in the order of our preference: the first that the server offers is taken. */
  readonly auth: readonly AuthMechanism[]
  /** Octets of the largest frame that the server takes before Tune. Absent: by what it says it is. */
  readonly initialFrameMax?: number | undefined
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
  readonly #options: Omit<HandshakeOptions, 'auth'>
  readonly #startedAt: number
  #serverProperties: FieldTable = Object.create(null)
  #tune: TuneParameters | undefined
  #auth: readonly AuthMechanism[]
  /** The one that was chosen. */
  #mechanism: AuthMechanism | undefined
  #challenges = 0
  /** Octets of the largest frame that was sent to log in. */
  #loginOctets = 0

  constructor({ auth, ...options }: HandshakeOptions, now: number) {
    this.#options = options
    this.#auth = auth
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
    if (start.versionMajor !== 0 || start.versionMinor !== 9) {
      const version = `${start.versionMajor}-${start.versionMinor}`
      throw this.#error(`the server starts AMQP ${version} instead of 0-9`, undefined, now, details)
    }
    const mechanism = this.#choose(start.mechanisms.toString(), now, details)
    this.#mechanism = mechanism
    this.#serverProperties = start.serverProperties
    const answer = this.#askMechanism(mechanism, () => this.#startOk(mechanism), now, details)
    this.phase = 'tune'
    return answer
  }

  answerSecure(
    { challenge }: MethodArgs<'connection.secure'>,
    now: number,
    details: ErrorDetails,
  ): MethodOf<'connection.secure-ok'> {
    // It was chosen by the answer to Start, without which there is no Secure.
    const mechanism = this.#mechanism as AuthMechanism
    const { answer } = mechanism
    if (answer === undefined) {
      const what = `unexpected challenge for ${mechanism.mechanism}`
      throw new Violation(ReplyCode.CommandInvalid, what, 'connection.secure')
    }
    if (++this.#challenges > CHALLENGES_MAX) {
      const what = `more than ${CHALLENGES_MAX} challenges for ${mechanism.mechanism}`
      throw new Violation(ReplyCode.CommandInvalid, what, 'connection.secure')
    }
    const respond = (): MethodOf<'connection.secure-ok'> => {
      return {
        name: 'connection.secure-ok',
        args: { response: Buffer.from(answer.call(mechanism, challenge)) },
      }
    }
    return this.#askMechanism(mechanism, respond, now, details)
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

  /** It is over, one way or the other: the secrets have done what they were for. */
  forgetSecrets(): void {
    this.#auth = []
    this.#mechanism = undefined
  }

  /** The server sent Connection.Close. */
  refused(replyCode: number, said: string, now: number, details: ErrorDetails): ConnectError {
    const replyText = this.#mechanism === undefined ? said : conceal(said, this.#mechanism)
    const what = `the server refused: ${replyCode} ${replyText}`
    const told = { ...details, replyCode, replyText }
    if (this.phase === 'open') {
      const hint = replyCode === ReplyCode.NotAllowed ? this.#hintOfVirtualHost() : undefined
      return this.#error(what, hint, now, told)
    }
    if (replyCode !== ReplyCode.AccessRefused) return this.#error(what, undefined, now, told)
    const hint = this.#mechanism?.mechanism === 'EXTERNAL' ? CERTIFICATE_HINT : PASSWORD_HINT
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

  /** The first of ours that the server offers: its order is not a preference (spec 1.4.2.1 does not say that it is one). */
  #choose(list: string, now: number, details: ErrorDetails): AuthMechanism {
    const offered = list.split(' ').filter(name => name !== '')
    const chosen = this.#auth.find(({ mechanism }) => offered.includes(mechanism))
    if (chosen !== undefined) return chosen
    const wanted = this.#auth.map(({ mechanism }) => mechanism)
    const what =
      wanted.length === 1
        ? `the server does not offer the authentication mechanism ${wanted[0]}`
        : `the server offers none of the authentication mechanisms ${wanted.join(', ')}`
    const hint = `it offers ${tellable(offered)}`
    const external =
      "; RabbitMQ offers EXTERNAL on TLS only, when the plugin 'rabbitmq_auth_mechanism_ssl' is enabled"
    throw this.#error(what, wanted.includes('EXTERNAL') ? hint + external : hint, now, details)
  }

  #startOk(auth: AuthMechanism): MethodOf<'connection.start-ok'> {
    const clientProperties = { ...this.#options.clientProperties, capabilities: CAPABILITIES }
    const response = Buffer.from(auth.initialResponse())
    const args = { clientProperties, mechanism: auth.mechanism, response, locale: 'en_US' }
    return { name: 'connection.start-ok', args }
  }

  /** The mechanism is the application's: what is wrong with its answer is no fault of the server's. */
  #askMechanism<M extends Method>(
    mechanism: AuthMechanism,
    respond: () => M,
    now: number,
    details: ErrorDetails,
  ): M {
    let answer: M
    let octets: number
    try {
      answer = respond()
      octets = encodeAhead(encodeMethodFrame, 0, Number.POSITIVE_INFINITY, answer as Method).length
    } catch (error) {
      const failed = `the authentication mechanism ${mechanism.mechanism} failed`
      const what = error instanceof ArgumentError ? error.message : failed
      throw this.#error(what, undefined, now, { ...details, cause: error })
    }
    const limit = this.#options.initialFrameMax ?? initialFrameMaxOf(this.#serverProperties)
    if (octets > limit) {
      const what = `${answer.name} would make ${octets} octets, and before it has let anybody in the server takes ${limit}`
      const cause = new ArgumentError(answer.name, `must fit one frame of ${limit} octets`)
      throw this.#error(what, TOO_MUCH_HINT, now, { ...details, cause })
    }
    this.#loginOctets = Math.max(this.#loginOctets, octets)
    return answer
  }

  #hintOfVirtualHost(): string {
    const { virtualHost } = this.#options
    const hint = `check that the virtual host '${virtualHost}' exists and that the user may use it`
    return virtualHost === '' ? `${hint}; in a URI leave out the slash behind the host to get '/'` : hint
  }

  #hintOfPhase(): string {
    if (this.phase === 'start') return 'the broker may still be starting, or expect TLS'
    if (this.phase === 'tune') {
      const hint =
        'the server probably refused the credentials or the mechanism; it does so without saying why when it is old'
      if (this.#loginOctets <= FRAME_MIN_SIZE) return hint
      return `${hint}; or ${this.#loginOctets} octets are more than it takes before login: ${TOO_MUCH_HINT}`
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
    this.forgetSecrets()
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

/** The mechanisms that are in use need one or two. */
const CHALLENGES_MAX = 16

const PASSWORD_HINT = "check username and password; RabbitMQ lets 'guest' in from its own host only"
const CERTIFICATE_HINT =
  'check the client certificate: whether one is sent, and whether RabbitMQ has a user of the name that it finds there by ' +
  'its setting ssl_cert_login_from'
const TOO_MUCH_HINT =
  'use a shorter token or fewer client properties, or raise initial_frame_max of RabbitMQ and the option initialFrameMax'

/** Names that a message can bear (RFC 4422, 3.1): a server may say anything, and any amount of it. */
function tellable(names: readonly string[]): string {
  const fit = names.filter(name => /^[\w-]{1,20}$/.test(name)).slice(0, TOLD_MAX)
  const others = names.length - fit.length
  if (others === 0) return fit.join(', ') || 'none'
  return [...fit, `${others} more`].join(', ')
}

const TOLD_MAX = 10

/** What each phase waits for, in words. */
const AWAITED: Record<Handshake['phase'], string> = {
  start: 'Connection.Start',
  tune: 'Connection.Tune',
  open: 'Connection.Open-Ok',
}
