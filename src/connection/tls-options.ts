// The `tls` option: what goes to node:tls, asked for anew each time a connection is dialled. It is passed on as it is; what
// thump itself decides (where to, over what) is refused. It opens no connection.

import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, createSecureContext } from 'node:tls'
import { ArgumentError, kindOf } from '../protocol/index.js'
import { type Check, isSecret, isString } from './arguments.js'

/** What of node:tls's options the dial decides. */
const DECIDED = ['host', 'port', 'path', 'socket', 'lookup', 'timeout'] as const

/** Options of `tls.connect` of node:tls, but for where to connect. */
export type TlsOptions = Omit<ConnectionOptions, (typeof DECIDED)[number]>

/** The `tls` option of connect(). */
export type TlsOption = boolean | TlsOptions | (() => TlsOptions | Promise<TlsOptions>)

/** Asked each time. */
export type TlsSource = () => Promise<TlsOptions>

export const isTlsOption: Check = (value, path) => {
  if (typeof value === 'boolean' || typeof value === 'function') return
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(path, `must be true, an object or a function, not ${kindOf(value)}`)
  }
  const options = value as ConnectionOptions
  const decided = DECIDED.find(name => options[name] !== undefined)
  if (decided !== undefined) {
    throw new ArgumentError(`${path}.${decided}`, 'must not be given here: it is no option of TLS alone')
  }
  // Node's own complaint would show it.
  if (options.passphrase !== undefined) isString(options.passphrase, `${path}.passphrase`)
  // Of these Node complains when it has begun to connect already, by a socket that nobody can reach any more.
  if (options.servername !== undefined) isString(options.servername, `${path}.servername`)
  if (options.session !== undefined) isSecret(options.session, `${path}.session`)
}

/** The URI's and the application's together, key by key; the application's goes first. Undefined: no TLS. */
export function joinTls(uri: TlsOption | undefined, option: TlsOption | undefined): TlsSource | undefined {
  const isWanted = (given: TlsOption | undefined): given is TlsOption =>
    given !== undefined && given !== false
  if (option === false && isWanted(uri)) {
    throw new ArgumentError('options.tls', 'must not be false with an amqps:// URI')
  }
  const sources = [uri, option].filter(isWanted)
  if (sources.length === 0) return undefined
  return async () => Object.assign({}, ...(await Promise.all(sources.map(ask))))
}

async function ask(source: TlsOption): Promise<TlsOptions> {
  if (typeof source === 'boolean') return {}
  if (typeof source === 'object') return given(source)
  const options: unknown = await source()
  if (typeof options !== 'object')
    throw new ArgumentError('options.tls()', `must give an object, not ${kindOf(options)}`)
  isTlsOption(options, 'options.tls()')
  return given(options as TlsOptions)
}

/** Without what is there and undefined: it is not to hide what the URI says. */
function given(options: TlsOptions): TlsOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * What `tls.connect` is given for this host, whichever of its addresses it goes to. SNI (RFC 6066) is the host's name unless
 * told otherwise, and none for an address; the certificate must be for that name, or the host's. Certificates and keys are
 * parsed here, once for all addresses.
 */
export async function tlsFor(host: string, source: TlsSource): Promise<ConnectionOptions> {
  const options = await source()
  const { servername = isIP(host) === 0 ? host : '', checkServerIdentity: check = checkServerIdentity } =
    options
  return {
    ...options,
    servername,
    secureContext: options.secureContext ?? createSecureContext(options),
    // Node would check for the address that it is told to connect to.
    checkServerIdentity: (_, certificate) => check(servername || host, certificate),
  }
}
