// amqp and amqps URIs (RabbitMQ's URI specification, on RFC 3986). A URI is parsed once, here, and never written again. It is
// read by its own grammar and not as a URL of the web, which knows no empty host and trims what it is given. Because it
// holds a password it stands in no message: errors name the part that is wrong.

import { isIPv6 } from 'node:net'
import { ArgumentError, kindOf } from '../protocol/index.js'
import { parseQuery, type QueryParts } from './uri-query.js'

/** What a URI says; parts it leaves out are absent. */
export interface UriParts extends QueryParts {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly vhost?: string | undefined
}

const SHAPE = 'amqp://user:password@host:port/vhost'
const URI = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/is
const AUTHORITY = /^(?:([^:]*)(?::(.*))?@)?(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/s
const ESCAPES: Readonly<Record<string, string>> = { '@': '%40', '/': '%2F', '?': '%3F', '#': '%23' }

/**
 * Parses `amqp://user:password@host:port/vhost?heartbeat=10`. User, password, host and virtual host are percent-decoded. No
 * path leaves the virtual host open (it is `/` by default); the path `/` is the virtual host with the empty name, as
 * RabbitMQ's specification has it, and `/%2F` is `/`.
 */
export function parseUri(text: string): UriParts {
  if (typeof text !== 'string') throw new ArgumentError('uri', `must be a string, not ${kindOf(text)}`)
  if (text.trim() !== text) throw new ArgumentError('uri', 'begins or ends with white space')
  const [, scheme = '', authority = '', path = '', query = '', fragment] = URI.exec(text) ?? []
  refuseUnencoded(authority, path, text)
  if (scheme === '') throw new ArgumentError('uri', `cannot be parsed: expected ${SHAPE}`)
  const isEncrypted = /^amqps$/i.test(scheme)
  if (!isEncrypted && !/^amqp$/i.test(scheme)) {
    throw new ArgumentError('uri', 'must begin with amqp:// or amqps://')
  }
  if (fragment !== undefined) throw new ArgumentError('uri', "has an unencoded '#': write it as %23")
  return { ...parseAuthority(authority), vhost: parsePath(path), ...parseQuery(query, isEncrypted) }
}

/**
 * A second '@', or one behind a delimiter, means that something was not encoded. Part of a password would be taken for the
 * host, the virtual host or the query, which are no secrets.
 */
function refuseUnencoded(authority: string, path: string, text: string): void {
  const ats = authority.split('@').length - 1
  const rest = text.slice(text.indexOf('://') + 3 + authority.length)
  const misplaced = ats > 1 ? '@' : ats === 0 && rest.includes('@') ? rest.charAt(0) : undefined
  if (misplaced !== undefined) {
    const advice = `in username and password write it as ${ESCAPES[misplaced]}`
    throw new ArgumentError('uri', `has an unencoded '${misplaced}' before an '@': ${advice}`)
  }
  if (!path.includes('@')) return
  const advice = "in the virtual host write it as %40; in a password '/' and '@' are %2F and %40"
  throw new ArgumentError('uri', `has an unencoded '@' behind the host: ${advice}`)
}

function parseAuthority(authority: string): UriParts {
  const [matched, username, password, host = '', port] = AUTHORITY.exec(authority) ?? []
  if (matched === undefined) {
    throw new ArgumentError(
      'uri',
      `has a host with brackets or colons: an IPv6 address is written amqp://[::1]`,
    )
  }
  return {
    host: hostOf(host),
    port: portOf(port),
    username: decode(username, 'username'),
    password: decode(password, 'password'),
  }
}

/** Without the brackets of an IPv6 address, which sockets do not want. A zone is behind %25 (RFC 6874). */
function hostOf(text: string): string | undefined {
  if (text === '') return undefined
  const isBracketed = text.startsWith('[')
  const host = decode(isBracketed ? text.slice(1, -1) : text, 'host') as string
  if (isBracketed && !isIPv6(host))
    throw new ArgumentError('uri', 'has brackets around what is no IPv6 address')
  if (/[\s\p{Cc}]/u.test(host))
    throw new ArgumentError('uri', 'has a host with white space or control characters')
  return host
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) {
    throw new ArgumentError('uri', `has a port that is no number from 1 to 65535: expected ${SHAPE}`)
  }
  return port
}

function parsePath(path: string): string | undefined {
  if (path === '') return undefined
  if (path.includes('/', 1)) {
    throw new ArgumentError('uri', "has a '/' inside the virtual host: write it as %2F")
  }
  return decode(path.slice(1), 'virtual host')
}

function decode(text: string | undefined, part: string): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    throw new ArgumentError('uri', `has a ${part} with a '%' that begins no escape: write it as %25`)
  }
}
