// Name resolution, TCP and TLS, up to a stream that is connected. It is told when to give up; why it failed is a ConnectError
// with the phase it failed in (dial-failure.ts). Which address is tried when is the race's affair, what TLS is given that of
// tls-options.ts.

import { type LookupAddress, lookup as lookupByDns } from 'node:dns'
import { connect as connectSocket, isIP, type OnReadOpts, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { inspect } from 'node:util'
import { ConnectError, type ConnectPhase } from '../protocol/index.js'
import { AddressRace } from './address-race.js'
import { dialExpired, dialFailed } from './dial-failure.js'
import type { Settings } from './options.js'
import { tlsFor } from './tls-options.js'

/**
 * All connections read into the same memory, but for what has a place of its own: the callback is synchronous, and what is kept
 * is copied. 64 KiB stay in the processor's cache; larger reads were measured slower, and a fresh buffer for each read slower still.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)

/** Who takes what is read. */
export interface Receiver {
  /** The chunk is lent. `moreFollow`: in the same turn of the event loop, as far as can be told; false if it cannot. */
  receive(chunk: Buffer, moreFollow?: boolean): void
  /** Where the octets that come next may be put, as many as go in; undefined: anywhere. */
  readonly place: Buffer | undefined
}

/** Where what is read goes, from when somebody is there. The stream holds on to this, and not to the dial. */
export interface Intake {
  receiver: Receiver | undefined
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
  #race: AddressRace | undefined
  #stream: Duplex | undefined
  #phase: ConnectPhase = 'dns'
  #over = false

  constructor(settings: Settings, owner: DialOwner) {
    this.#settings = settings
    this.#owner = owner
  }

  start(): void {
    const { tls, host } = this.#settings
    if (tls === undefined) return this.#attempt(() => this.#reach(undefined))
    this.#phase = 'tls'
    tlsFor(host, tls).then(
      options => this.#attempt(() => this.#reach(options)),
      (error: unknown) => this.fail(errorOf(error)),
    )
  }

  /** What is being waited for. */
  get phase(): ConnectPhase {
    return this.#phase
  }

  /** Gives up: the stream is destroyed and whoever waits is told why. */
  fail(cause: Error): void {
    if (this.#over) return
    this.#over = true
    this.#race?.stop()
    if (this.#stream !== undefined) discard(this.#stream)
    this.#owner.onFailed(
      cause instanceof ConnectError ? cause : dialFailed(cause, this.#phase, this.#settings),
    )
  }

  /** Gives up because it has taken too long. */
  expire(): void {
    this.fail(dialExpired(this.#phase, this.#race, this.#settings))
  }

  /** Nothing more once it has been given up; and what is thrown is why it failed. */
  #attempt(action: () => void): void {
    if (this.#over) return
    try {
      action()
    } catch (error) {
      this.fail(errorOf(error))
    }
  }

  #reach(tls: ConnectionOptions | undefined): void {
    const { stream, host } = this.#settings
    if (stream !== undefined) return this.#obtain(stream, tls)
    if (isIP(host) !== 0) return this.#connect([host], tls)
    this.#phase = 'dns'
    const { lookup = lookupByDns } = this.#settings
    lookup(host, { all: true }, (error, answer) => {
      this.#attempt(() => {
        if (error) throw error
        this.#connect(addressesOf(answer), tls)
      })
    })
  }

  #connect(addresses: readonly string[], tls: ConnectionOptions | undefined): void {
    if (addresses.length === 0) throw new Error('the host has no address')
    if (this.#race !== undefined) return
    this.#phase = 'tcp'
    this.#race = new AddressRace(addresses, this.#settings.clock, {
      open: address => this.#open(address, tls),
      onWon: socket => {
        const { noDelay, keepAlive } = this.#settings
        socket.setNoDelay(noDelay)
        socket.setKeepAlive(keepAlive)
        if (tls !== undefined) this.#phase = 'tls'
        this.#await(socket, tls === undefined ? undefined : 'secureConnect')
      },
      onLost: errors => this.fail(errors.length === 1 ? (errors[0] as Error) : new AggregateError(errors)),
    })
    this.#race.start()
  }

  #open(host: string, tls: ConnectionOptions | undefined): Socket {
    const to = { host, port: this.#settings.port, onread: readInto(this.#intake) }
    return tls === undefined ? connectSocket(to) : connectTls({ ...tls, ...to })
  }

  /** A stream of the application's, now or later. */
  #obtain(make: () => Duplex | Promise<Duplex>, tls: ConnectionOptions | undefined): void {
    this.#phase = 'tcp'
    const adopt = (stream: Duplex): void => {
      // It comes too late, and nobody else knows of it.
      if (this.#over && isStream(stream)) discard(stream)
      this.#attempt(() => this.#adopt(stream, tls))
    }
    const made = make()
    if (isPromise(made)) made.then(adopt, (error: unknown) => this.fail(errorOf(error)))
    else adopt(made)
  }

  #adopt(given: Duplex, tls: ConnectionOptions | undefined): void {
    if (!isStream(given)) throw new Error('the stream option gave no stream')
    this.#stream = given
    if (given.destroyed) throw new Error('the stream option gave one that is destroyed')
    const isEncrypted = 'encrypted' in given
    if (tls === undefined) {
      given.on('data', takeInto(this.#intake))
      // Connected already, unless it says otherwise.
      const connecting = 'connecting' in given && given.connecting === true
      return this.#await(given, connecting ? (isEncrypted ? 'secureConnect' : 'connect') : undefined)
    }
    if (isEncrypted) throw new Error('the stream option gave one with TLS, and TLS was to be put on top')
    this.#phase = 'tls'
    const stream = connectTls({ ...tls, socket: given })
    stream.on('data', takeInto(this.#intake))
    this.#await(stream, 'secureConnect')
  }

  #await(stream: Duplex, event: string | undefined): void {
    this.#stream = stream
    const onError = (error: Error): void => this.fail(error)
    const onClose = (): void => this.fail(new Error('the stream was closed'))
    stream.once('error', onError)
    stream.once('close', onClose)
    const succeed = (): void => {
      stream.off('error', onError)
      stream.off('close', onClose)
      this.#over = true
      this.#owner.onConnected(stream, this.#intake)
    }
    if (event === undefined) succeed()
    else stream.once(event, succeed)
  }
}

/** A lookup may give one address though it is asked for all, as a function in the manner of dns.lookup may. */
function addressesOf(answer: string | LookupAddress[]): string[] {
  return typeof answer === 'string' ? [answer] : answer.map(({ address }) => address)
}

// Apart, because what is closed over inside a method keeps its object.

function takeInto(intake: Intake): (chunk: Buffer) => void {
  return chunk => intake.receiver?.receive(chunk)
}

function readInto(intake: Intake): OnReadOpts {
  const callback = (octets: number, buffer: Uint8Array): boolean => {
    // Node reads on at once as long as buffers come full, be they large or small.
    intake.receiver?.receive((buffer as Buffer).subarray(0, octets), octets === buffer.length)
    return true
  }
  return { buffer: () => intake.receiver?.place ?? READ_BUFFER, callback }
}

/** Streams need not be of Node's own class: some wrap what is no Node stream. */
function isStream(value: unknown): value is Duplex {
  return (
    typeof value === 'object' && value !== null && 'on' in value && 'write' in value && 'destroy' in value
  )
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(inspect(thrown))
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}

/** What it says after that is nobody's affair. */
function discard(stream: Duplex): void {
  stream.on('error', () => {})
  stream.destroy()
}
