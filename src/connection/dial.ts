// Name resolution and TCP, up to a connected stream. It is told when to give up; why it failed is a ConnectError with the
// phase it failed in.

import { connect as connectSocket, isIP, type OnReadOpts, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import { ConnectError, type ConnectPhase } from '../protocol/index.js'
import type { Settings } from './options.js'

/**
 * All connections read into the same memory: the callback is synchronous, and what is kept is copied. 64 KiB stay in the
 * processor's cache; larger reads were measured slower, and a fresh buffer for each read slower still.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)

/** Where what is read goes, from when somebody is there. The stream holds on to this, and not to the dial. */
export interface Intake {
  /** The chunk is lent. */
  receiver: { receive(chunk: Buffer): void } | undefined
}

/** Who is told how it went. */
export interface DialOwner {
  onConnected(stream: Duplex, intake: Intake): void
  onFailed(error: ConnectError): void
}

/** One attempt to get a stream. */
export class Dial {
  readonly #settings: Settings
  readonly #owner: DialOwner
  readonly #intake: Intake = { receiver: undefined }
  #stream: Duplex | undefined
  #phase: ConnectPhase = 'dns'
  #over = false

  constructor(settings: Settings, owner: DialOwner) {
    this.#settings = settings
    this.#owner = owner
  }

  start(): void {
    const { stream } = this.#settings
    try {
      if (stream === undefined) return this.#dial()
      this.#phase = 'tcp'
      this.#adopt(stream())
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(inspect(error)))
    }
  }

  /** What is being waited for. */
  get phase(): ConnectPhase {
    return this.#phase
  }

  /** Gives up: the stream is destroyed and whoever waits is told why. */
  fail(cause: Error): void {
    if (this.#over) return
    this.#over = true
    this.#stream?.on('error', ignore)
    this.#stream?.destroy()
    this.#owner.onFailed(cause instanceof ConnectError ? cause : this.#explain(cause))
  }

  #dial(): void {
    const { host, port, noDelay, keepAlive, lookup } = this.#settings
    const socket: Socket = connectSocket({
      host,
      port,
      noDelay,
      keepAlive,
      onread: readInto(this.#intake),
      ...(lookup && { lookup }),
    })
    if (isIP(host) !== 0) this.#phase = 'tcp'
    else {
      socket.once('lookup', (error: Error | null) => {
        if (error === null) this.#phase = 'tcp'
      })
    }
    this.#await(socket, 'connect')
  }

  /** A stream of the application's: connected already, unless it says otherwise. */
  #adopt(stream: Duplex): void {
    if (!isStream(stream)) throw new Error('the stream option gave no stream')
    if (stream.destroyed) throw new Error('the stream option gave one that is destroyed')
    const intake = this.#intake
    stream.on('data', (chunk: Buffer) => intake.receiver?.receive(chunk))
    const connecting = 'connecting' in stream && stream.connecting === true
    this.#await(stream, connecting ? ('encrypted' in stream ? 'secureConnect' : 'connect') : undefined)
  }

  #await(stream: Duplex, event: string | undefined): void {
    this.#stream = stream
    const onError = (error: Error): void => this.fail(error)
    const onClose = (): void => this.fail(new Error('the stream was closed'))
    stream.once('error', onError)
    stream.once('close', onClose)
    // The application was asked for a name or a stream, and aborted meanwhile.
    if (this.#over) return void stream.destroy()
    const succeed = (): void => {
      stream.off('error', onError)
      stream.off('close', onClose)
      this.#over = true
      this.#owner.onConnected(stream, this.#intake)
    }
    if (event === undefined) succeed()
    else stream.once(event, succeed)
  }

  #explain(cause: Error): ConnectError {
    const { address, connectionName } = this.#settings
    const code = 'code' in cause ? String(cause.code) : undefined
    const message = `cannot connect to ${address}: ${textOf(cause)}`
    return new ConnectError(message, this.#phase, code === undefined ? undefined : HINTS[code], {
      cause,
      connectionName,
    })
  }
}

/** Apart, because what is closed over inside a method keeps its object. */
function readInto(intake: Intake): OnReadOpts {
  const callback = (octets: number, buffer: Uint8Array): boolean => {
    intake.receiver?.receive((buffer as Buffer).subarray(0, octets))
    return true
  }
  return { buffer: READ_BUFFER, callback }
}

/** Streams need not be of Node's own class: some wrap what is no Node stream. */
function isStream(value: unknown): value is Duplex {
  return (
    typeof value === 'object' && value !== null && 'on' in value && 'write' in value && 'destroy' in value
  )
}

/** Several addresses were tried: each with its own error. */
function textOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message
  return error.errors.map(each => (each instanceof Error ? each.message : String(each))).join('; ')
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is RabbitMQ running there, and does it listen on that address and port?',
  ENOTFOUND: 'is the host name right?',
  EAI_AGAIN: 'name resolution does not work at the moment',
  EHOSTUNREACH: 'there is no route to that host',
  ETIMEDOUT: 'nothing answers there: a firewall?',
}

function ignore(): void {}
