// The query of a URI: RabbitMQ's parameters, as its own clients read them, and what they mean as options. Some of them name
// files, which are read when a connection is dialled, or hold a passphrase: no value is ever part of a message.

import { ArgumentError, AUTH_NAMES, type AuthName } from '../protocol/index.js'
import { type TlsFiles, tlsFromFiles } from './tls-files.js'
import type { TlsOption, TlsOptions } from './tls-options.js'

/** What the query of a URI says; parts it leaves out are absent. */
export interface QueryParts {
  readonly heartbeat?: number | undefined
  readonly frameMax?: number | undefined
  readonly channelMax?: number | undefined
  readonly connectTimeout?: number | undefined
  readonly maxMessageSize?: number | undefined
  readonly connectionName?: string | undefined
  /** In the order of preference. */
  readonly auth?: readonly AuthName[] | undefined
  readonly tls?: TlsOption | undefined
}

/** Parameters that are whole numbers, with the option each stands for. */
const NUMBERS = {
  heartbeat: 'heartbeat',
  connection_timeout: 'connectTimeout',
  channel_max: 'channelMax',
  frame_max: 'frameMax',
  max_message_size: 'maxMessageSize',
} as const satisfies Readonly<Record<string, keyof QueryParts>>

const OTHERS = ['connection_name', 'auth_mechanism'] as const

/** Parameters of TLS. The last is a server's, which has no meaning here; it stands in URIs that others have written. */
const OF_TLS = [
  'cacertfile',
  'certfile',
  'keyfile',
  'password',
  'verify',
  'server_name_indication',
  'fail_if_no_peer_cert',
] as const

const KNOWN: readonly string[] = [...Object.keys(NUMBERS), ...OTHERS, ...OF_TLS]

/** @param isEncrypted whether the scheme is amqps */
export function parseQuery(query: string, isEncrypted: boolean): QueryParts {
  const values = split(query)
  const unknown = [...values.keys()].find(name => !KNOWN.includes(name))
  if (unknown !== undefined) refuse(`an unknown query parameter; known are ${KNOWN.join(', ')}`)
  const first = (name: string): string | undefined => values.get(name)?.[0]
  const numbers = Object.entries(NUMBERS).map(([name, option]) => [option, wholeNumber(name, first(name))])
  return {
    ...Object.fromEntries(numbers.filter(([, value]) => value !== undefined)),
    ...(values.has('connection_name') && { connectionName: first('connection_name') }),
    ...(values.has('auth_mechanism') && { auth: mechanisms(values.get('auth_mechanism') ?? []) }),
    ...tlsOf(first, isEncrypted),
  }
}

/** As forms are: '+' is a space. Only the mechanisms are a list. */
function split(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const part of query.split('&')) {
    if (part === '') continue
    const [name = '', ...rest] = part.split('=')
    const known = decode(name)
    const before = values.get(known) ?? []
    if (before.length > 0 && known !== 'auth_mechanism') refuse('the same query parameter twice')
    values.set(known, [...before, decode(rest.join('='))])
  }
  return values
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return refuse("a query parameter with a '%' that begins no escape: write it as %25")
  }
}

function wholeNumber(name: string, value: string | undefined): number | undefined {
  if (value !== undefined && !/^\d+$/.test(value)) refuse(`a ${name} that is not a whole number`)
  return value === undefined ? undefined : Number(value)
}

function mechanisms(values: readonly string[]): AuthName[] {
  return values.map(value => {
    const name = AUTH_NAMES.find(each => each === value.toUpperCase())
    return name ?? refuse(`an auth_mechanism that is none of ${AUTH_NAMES.join(', ')}`)
  })
}

function tlsOf(value: (name: string) => string | undefined, isEncrypted: boolean): Pick<QueryParts, 'tls'> {
  const given = OF_TLS.find(name => value(name) !== undefined)
  if (!isEncrypted)
    return given === undefined ? {} : refuse(`the query parameter ${given}, which needs amqps://`)
  oneOf('fail_if_no_peer_cert', value('fail_if_no_peer_cert'), ['true', 'false'])
  const verify = oneOf('verify', value('verify'), ['verify_peer', 'verify_none'])
  const name = value('server_name_indication')
  const files: TlsFiles = { ca: value('cacertfile'), cert: value('certfile'), key: value('keyfile') }
  if (files.cert === undefined && files.key !== undefined) refuse('a keyfile and no certfile')
  const options: TlsOptions = {
    ...(verify === 'verify_none' && { rejectUnauthorized: false }),
    ...(name !== undefined && { servername: name === 'disable' ? '' : name }),
  }
  // In no property of anything: what holds the function can be inspected.
  const passphrase = value('password')
  const secret = passphrase === undefined ? {} : { passphrase }
  return {
    tls: given === undefined ? true : async () => ({ ...options, ...secret, ...(await tlsFromFiles(files)) }),
  }
}

function oneOf(name: string, value: string | undefined, allowed: readonly string[]): string | undefined {
  if (value !== undefined && !allowed.includes(value))
    refuse(`a ${name} that is none of ${allowed.join(', ')}`)
  return value
}

function refuse(what: string): never {
  throw new ArgumentError('uri', `has ${what}`)
}
