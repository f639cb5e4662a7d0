// The options of connect(): meaning, unit, default and where the default comes from; and how what was given becomes
// settings. Precedence: options, then the URI's query, then defaults.

import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import { ArgumentError, type FieldTable } from '../protocol/index.js'
import {
  type Check,
  checkOptions,
  isBoolean,
  isFunction,
  isInteger,
  isObject,
  isOneOf,
  isShortstr,
  isSignal,
  isString,
  isTable,
  isTimeout,
} from './arguments.js'
import { type Clock, systemClock } from './clock.js'
import type { CredentialsFunction } from './credentials.js'
import { type Auth, isAuth, Login } from './login.js'
import { isTlsOption, joinTls, type TlsOption, type TlsSource } from './tls-options.js'
import type { UriParts } from './uri.js'

/** Options of the TCP socket. */
export interface SocketOptions {
  /** Send small segments at once. Default true: thump writes once per turn, and Nagle's delay costs 40 ms per handshake. */
  noDelay?: boolean | undefined
  /** TCP keepalive, for links without heartbeats. Default true. */
  keepAlive?: boolean | undefined
}

export interface ConnectOptions {
  /** Default `localhost`. */
  host?: string | undefined
  /** Default 5672, with TLS 5671. */
  port?: number | undefined
  /** No encoding needed. Default `guest`, which RabbitMQ lets in from its own host only. */
  username?: string | undefined
  /** No encoding needed. Default `guest`. */
  password?: string | undefined
  /** No encoding needed. Default `/`. */
  vhost?: string | undefined
  /**
   * Seconds between signs of life; a peer that is silent for two intervals is dead. 0 switches heartbeats off in both
   * directions. Otherwise the smaller of this and the server's proposal. Default 20: death is known within 40 s, where
   * RabbitMQ's own 60 s would take two minutes. Below 5 false alarms become likely.
   */
  heartbeat?: number | undefined
  /** Octets of the largest frame, at least 8192 (RabbitMQ 4.1 hangs up below). Default: the server's, at most 1 MiB. */
  frameMax?: number | undefined
  /** Channels at a time. Default: the server's (RabbitMQ: 2047). */
  channelMax?: number | undefined
  /** Milliseconds for all of it, from name resolution to Open-Ok, for each URI. Default 10 000, RabbitMQ's handshake timeout. */
  connectTimeout?: number | undefined
  /** Milliseconds for the answer to a call; later its channel is closed, because replies have no names. Default 20 000. */
  rpcTimeout?: number | undefined
  /** Milliseconds for the confirm of a publish. Default 30 000. */
  confirmTimeout?: number | undefined
  /** Milliseconds that `close()` may take. Default 5 000. */
  closeTimeout?: number | undefined
  /** What RabbitMQ's pages and logs call this connection. */
  connectionName?: string | undefined
  /** Added to what is told to the server about the client. */
  clientProperties?: FieldTable | undefined
  /**
   * The authentication mechanism: `'PLAIN'`, `'AMQPLAIN'`, `'EXTERNAL'` (the client certificate says who it is), or an object
   * that answers challenges. Of a list the first that the server offers. Default `'PLAIN'`.
   */
  auth?: Auth | readonly Auth[] | undefined
  /**
   * Username and password from a function, asked each time before a connection is dialled, within `connectTimeout`; for what
   * changes or expires, OAuth 2 tokens for instance. Instead of `password`. Default: none.
   */
  credentials?: CredentialsFunction | undefined
  /**
   * Octets of the largest frame that the server takes before it has let anybody in, at least 4096: for a RabbitMQ whose
   * operator has raised `initial_frame_max`, for long tokens. Default: 4096 for RabbitMQ before 4.1, else 8192.
   */
  initialFrameMax?: number | undefined
  /**
   * TLS, as an amqps:// URI has it too: `true`, options of `tls.connect` of node:tls, or a function that gives them, which is
   * asked each time a connection is dialled. `servername` (SNI) is the host's name by default. Default: by the URI's scheme.
   */
  tls?: TlsOption | undefined
  socket?: SocketOptions | undefined
  /** Makes the transport instead of thump: a stream that is connected, or connecting. With `tls`, TLS is put on top of it. */
  stream?: (() => Duplex | Promise<Duplex>) | undefined
  /** Octets of the largest body accepted; a larger one closes its channel (311). Default 128 MiB, RabbitMQ's before 4.0. */
  maxMessageSize?: number | undefined
  /** Octets waiting to be sent above which publishes wait. Default 1 MiB. */
  highWaterMark?: number | undefined
  /** Octets waiting to be sent above which publishes are refused. Default 64 MiB. */
  maxBuffered?: number | undefined
  /**
   * Octets of deliveries without acknowledgement or prefetch, not yet taken, above which reading pauses; and of those that a
   * broker sends beyond the prefetch. Default 16 MiB.
   * While it pauses nothing else is read either: do not await a confirm or a call of the same connection in such a loop.
   */
  maxReceiveBuffered?: number | undefined
  /** Aborts connecting. Later it has no effect. */
  signal?: AbortSignal | undefined
  /** Reconnecting. Only `false` so far. */
  recovery?: false | undefined
  /** Where time comes from. Default: the system. */
  clock?: Clock | undefined
  /** Numbers from 0 to below 1, for the order of several URIs. Default Math.random. */
  random?: (() => number) | undefined
  /** Name resolution, in the manner of dns.lookup; all addresses that it gives are tried. Default: the system's. */
  lookup?: LookupFunction | undefined
}

/** Everything settled for one attempt on one address. The password is in `login` only, and cannot be seen there. */
export interface Settings {
  /** Where it goes, for messages: `localhost:5672`, `[::1]:5672`. */
  readonly address: string
  readonly host: string
  readonly port: number
  readonly vhost: string
  readonly login: Login
  readonly initialFrameMax: number | undefined
  readonly heartbeat: number
  readonly frameMax: number | undefined
  readonly channelMax: number | undefined
  readonly connectTimeout: number
  readonly rpcTimeout: number
  readonly confirmTimeout: number
  readonly closeTimeout: number
  readonly connectionName: string | undefined
  readonly clientProperties: FieldTable
  readonly noDelay: boolean
  readonly keepAlive: boolean
  /** Undefined: no TLS. */
  readonly tls: TlsSource | undefined
  readonly stream: (() => Duplex | Promise<Duplex>) | undefined
  readonly maxMessageSize: number
  readonly highWaterMark: number
  readonly maxBuffered: number
  readonly maxReceiveBuffered: number
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
  readonly lookup: LookupFunction | undefined
}

const MIB = 1024 * 1024
const octets = isInteger(0, Number.MAX_SAFE_INTEGER)

const isClock: Check = (value, path) => {
  isObject(value, path)
  for (const method of ['now', 'wallTime', 'startTimer', 'afterPoll'] as const) {
    isFunction((value as Partial<Clock>)[method], `${path}.${method}`)
  }
}

const isSocketOptions: Check = (value, path) =>
  checkOptions(value as object, { noDelay: isBoolean, keepAlive: isBoolean }, path)

const CHECKS: Readonly<Record<keyof ConnectOptions, Check>> = {
  host: isString,
  port: isInteger(1, 65_535),
  username: isString,
  password: isString,
  vhost: isShortstr,
  heartbeat: isInteger(0, 65_535),
  frameMax: isInteger(8192, 2 ** 32 - 1),
  channelMax: isInteger(1, 65_535),
  connectTimeout: isTimeout,
  rpcTimeout: isTimeout,
  confirmTimeout: isTimeout,
  closeTimeout: isTimeout,
  connectionName: isString,
  clientProperties: isTable,
  auth: isAuth,
  credentials: isFunction,
  initialFrameMax: isInteger(4096, 2 ** 32 - 1),
  tls: isTlsOption,
  socket: isSocketOptions,
  stream: isFunction,
  maxMessageSize: octets,
  highWaterMark: isInteger(1, Number.MAX_SAFE_INTEGER),
  maxBuffered: isInteger(1, Number.MAX_SAFE_INTEGER),
  maxReceiveBuffered: isInteger(1, Number.MAX_SAFE_INTEGER),
  signal: isSignal,
  recovery: isOneOf(false),
  clock: isClock,
  random: isFunction,
  lookup: isFunction,
}

/** Throws an ArgumentError when an option is unknown or out of range. */
export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions(options, CHECKS, 'options')
  if (options.credentials !== undefined && options.password !== undefined) {
    throw new ArgumentError('options.password', 'is given beside credentials: give one of them')
  }
}

/** Settings from the options, and what they take precedence over: a URI's parts, or options. Throws an ArgumentError. */
export function settle(options: ConnectOptions, before: ConnectOptions | UriParts = {}): Settings {
  checkConnectOptions(options)
  const given: ConnectOptions = { ...defined(before), ...defined(options) }
  checkOptions(given, CHECKS, 'options')
  const { auth = 'PLAIN', username = 'guest', password = 'guest', connectionName, socket } = given
  const credentials = options.password === undefined ? given.credentials : undefined
  const tls = joinTls(before.tls, options.tls)
  const { host = 'localhost', port = tls === undefined ? 5672 : 5671, stream } = given
  return {
    address: stream === undefined ? `${host.includes(':') ? `[${host}]` : host}:${port}` : 'the given stream',
    host,
    port,
    vhost: given.vhost ?? '/',
    login: new Login({ auth, username, password, credentials }),
    initialFrameMax: given.initialFrameMax,
    heartbeat: given.heartbeat ?? 20,
    frameMax: given.frameMax,
    channelMax: given.channelMax,
    connectTimeout: given.connectTimeout ?? 10_000,
    rpcTimeout: given.rpcTimeout ?? 20_000,
    confirmTimeout: given.confirmTimeout ?? 30_000,
    closeTimeout: given.closeTimeout ?? 5_000,
    connectionName,
    clientProperties: clientPropertiesOf(given.clientProperties, connectionName),
    noDelay: socket?.noDelay ?? true,
    keepAlive: socket?.keepAlive ?? true,
    tls,
    stream,
    maxMessageSize: given.maxMessageSize ?? 128 * MIB,
    highWaterMark: given.highWaterMark ?? MIB,
    maxBuffered: given.maxBuffered ?? 64 * MIB,
    maxReceiveBuffered: given.maxReceiveBuffered ?? 16 * MIB,
    signal: given.signal,
    clock: given.clock ?? systemClock,
    lookup: given.lookup,
  }
}

function clientPropertiesOf(given: FieldTable | undefined, connectionName: string | undefined): FieldTable {
  const name = connectionName === undefined ? {} : { connection_name: connectionName }
  return { product: 'thump', platform: `Node.js ${process.version}`, ...given, ...name }
}

/** Without the keys that are there and undefined: they are not to hide what comes before. */
function defined<T extends object>(parts: T): Partial<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Partial<T>
}
