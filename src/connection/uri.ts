// amqp URIs (RabbitMQ's URI specification and its query parameters). A URI is parsed once and never written again, and
// because it holds a password it stands in no message: errors name the part that is wrong.

import { ArgumentError } from '../protocol/index.js'

/** What a URI says; parts it leaves out are absent. */
export interface UriParts {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly vhost?: string | undefined
  readonly heartbeat?: number | undefined
  readonly frameMax?: number | undefined
  readonly channelMax?: number | undefined
  readonly connectTimeout?: number | undefined
  readonly connectionName?: string | undefined
}

/** RabbitMQ's names of the parameters, with the option each stands for. */
const QUERY_NUMBERS: Readonly<Record<string, keyof UriParts>> = {
  heartbeat: 'heartbeat',
  frame_max: 'frameMax',
  channel_max: 'channelMax',
  connection_timeout: 'connectTimeout',
}

/**
 * Parses `amqp://user:password@host:port/vhost?heartbeat=10`. User, password and virtual host are percent-decoded. No path
 * leaves the virtual host open (it is `/` by default); the path `/` is the virtual host with the empty name, as RabbitMQ's
 * specification has it, and `/%2F` is `/`.
 */
export function parseUri(text: string): UriParts {
  refuseUnencoded(text)
  const url = parse(text)
  if (url.protocol !== 'amqp:') {
    const hint = url.protocol === 'amqps:' ? '; for TLS give a stream option that connects with node:tls' : ''
    throw new ArgumentError('uri', `must begin with amqp://${hint}`)
  }
  if (url.hash !== '') throw new ArgumentError('uri', "has an unencoded '#': write it as %23")
  const vhost = url.pathname === '' ? undefined : decode(url.pathname.slice(1), 'virtual host')
  if (url.pathname.slice(1).includes('/')) {
    throw new ArgumentError('uri', "has a '/' inside the virtual host: write it as %2F")
  }
  return {
    host: hostOf(url),
    port: url.port === '' ? undefined : Number(url.port),
    username: url.username === '' ? undefined : decode(url.username, 'username'),
    password: url.username === '' && url.password === '' ? undefined : decode(url.password, 'password'),
    vhost,
    ...parseQuery(url.searchParams),
  }
}

/** Where the parser ends the username and password, or the host after them. */
const AUTHORITY = /^[^:]*:\/\/([^/?#]*)(.*)$/s
const ESCAPES: Readonly<Record<string, string>> = { '@': '%40', '/': '%2F', '?': '%3F', '#': '%23' }

/**
 * A second '@', or the only one behind a delimiter, means that a username or password was not encoded. The parser would
 * take part of it for the host, the virtual host or the query, which are no secrets.
 */
function refuseUnencoded(text: string): void {
  const [, authority = '', rest = ''] = AUTHORITY.exec(text) ?? []
  const [, ...ats] = authority.split('@')
  const misplaced = ats.length > 1 ? '@' : ats.length === 0 && rest.includes('@') ? rest.charAt(0) : undefined
  if (misplaced === undefined) return
  const advice = `in username and password write it as ${ESCAPES[misplaced]}`
  throw new ArgumentError('uri', `has an unencoded '${misplaced}' before an '@': ${advice}`)
}

function parse(text: string): URL {
  if (typeof text === 'string' && URL.canParse(text)) return new URL(text)
  // Node's own error carries the whole input, password and all.
  const hint = "in username and password '@', '#', '/' and '?' must be written as %40, %23, %2F and %3F"
  throw new ArgumentError('uri', `cannot be parsed: expected amqp://user:password@host:port/vhost; ${hint}`)
}

/** Without the brackets of an IPv6 literal, which sockets do not want. */
function hostOf(url: URL): string | undefined {
  if (url.hostname === '') return undefined
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : decode(url.hostname, 'host')
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ArgumentError('uri', `has a ${part} with a '%' that begins no escape: write it as %25`)
  }
}

function parseQuery(query: URLSearchParams): UriParts {
  const parts: Record<string, string | number> = {}
  for (const [name, value] of query) {
    const option = QUERY_NUMBERS[name]
    if (option !== undefined) {
      if (!/^\d+$/.test(value)) throw new ArgumentError('uri', `has a ${name} that is not a whole number`)
      parts[option] = Number(value)
    } else if (name === 'connection_name') {
      parts['connectionName'] = value
    } else {
      const known = [...Object.keys(QUERY_NUMBERS), 'connection_name'].join(', ')
      throw new ArgumentError('uri', `has an unknown query parameter; known are ${known}`)
    }
  }
  return parts
}
