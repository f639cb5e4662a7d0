// Why there is no stream: the errors of name resolution, TCP and TLS, in words and with what usually explains them. Codes are
// Node's and stay in `cause`; texts of OpenSSL, which name places in its sources, are cut to what they say. Nothing that was
// given for TLS (keys, passphrases) is in any of these errors.

import { ConnectError, type ConnectPhase, type ErrorDetails } from '../protocol/index.js'
import type { Settings } from './options.js'

/** Several addresses were tried and none answered in time. */
export interface Tried {
  readonly errors: readonly Error[]
  readonly unanswered: readonly string[]
}

export function dialFailed(
  cause: Error,
  phase: ConnectPhase,
  settings: Settings,
  localPort?: number,
): ConnectError {
  return failure(textOf(cause), phase, hintOf(cause, phase), settings, { cause, localPort })
}

/** `connectTimeout` has passed. */
export function dialExpired(phase: ConnectPhase, tried: Tried | undefined, settings: Settings): ConnectError {
  const { errors = [], unanswered = [] } = tried ?? {}
  const where = unanswered.length === 0 ? '' : ` from ${unanswered.join(', ')}`
  const what = [`no answer within ${settings.connectTimeout} ms${where}`, ...errors.map(textOf)].join('; ')
  return failure(what, phase, EXPIRED[phase], settings)
}

/**
 * The stream ended before the server had said a word over it. With TLS that is how it refuses the client: in TLS 1.3 its
 * certificate is looked at after the handshake is over for the client (RFC 8446, 4.4.2), and an alert, or nothing, comes
 * instead of the first frame.
 */
export function refusedAfterTls(error: ConnectError, settings: Settings): ConnectError {
  const { cause, localPort } = error
  if (cause instanceof Error && codeOf(cause).startsWith('ERR_SSL_')) {
    return dialFailed(cause, 'tls', settings, localPort)
  }
  const what = cause instanceof Error ? textOf(cause) : 'the peer ended the connection'
  return failure(what, 'start', SILENT_END, settings, { cause, localPort })
}

function failure(
  what: string,
  phase: ConnectPhase,
  hint: string | undefined,
  { address, connectionName }: Settings,
  details: ErrorDetails = {},
): ConnectError {
  const told = { ...details, connectionName }
  return new ConnectError(`cannot connect to ${address}: ${what}`, phase, hint, told)
}

function textOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join('; ')
  const { reason } = error as { reason?: unknown }
  // ERR_TLS_CERT_ALTNAME_INVALID has one as well, and tells more in its message.
  if (/^(ERR_SSL|ERR_OSSL|EPROTO)/.test(codeOf(error)) && typeof reason === 'string') return `TLS: ${reason}`
  return error.message
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : ''
}

/** Of several addresses the first tells, unless its whole family cannot be reached. */
function hintOf(error: Error, phase: ConnectPhase): string | undefined {
  const errors: Error[] = error instanceof AggregateError ? error.errors : [error]
  const codes = errors.map(codeOf)
  const code = codes.find(each => each !== 'ENETUNREACH' && each !== 'EADDRNOTAVAIL') ?? codes[0] ?? ''
  const hint = phase === 'tls' ? TLS_HINTS[code.replace('SSL/TLS', 'SSLV3')] : HINTS[code]
  return hint ?? (phase === 'tls' && code.startsWith('ERR_OSSL_') ? MATERIAL : undefined)
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is RabbitMQ running there, and does it listen on that address and port?',
  ENOTFOUND: 'is the host name right?',
  EAI_AGAIN: 'name resolution does not work at the moment',
  EHOSTUNREACH: 'there is no route to that host',
  ENETUNREACH: 'there is no route to that network',
  ETIMEDOUT: 'nothing answers there: a firewall?',
}

const EXPIRED: Readonly<Partial<Record<ConnectPhase, string>>> = {
  dns: 'name resolution hangs',
  tcp: 'nothing answers there: a firewall?',
  tls: 'nothing comes of the TLS handshake: is it a TLS port? or the tls option hangs',
}

const UNKNOWN_ISSUER =
  'nobody whom this process trusts has issued that certificate: give its authority as tls.ca, or as cacertfile in the URI'
const REFUSED = "the server does not accept the client's certificate"
const MATERIAL = 'tls.ca, tls.cert, tls.key or tls.pfx is not what it should be'
const NOT_TLS =
  'there is no TLS on that port: RabbitMQ has it on 5671, and plain AMQP, an amqp:// URI, on 5672'
const SILENT_END =
  'it hung up right after the TLS handshake: it may want another client certificate (tls.cert and tls.key), or still be starting'
const PASSPHRASE = 'the private key is encrypted: is tls.passphrase there, and right?'

/** By the code of Node's or OpenSSL's error. What SSLV3_ALERT was for OpenSSL is SSL/TLS_ALERT for that of newer Node.js. */
const TLS_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the server's certificate is too old: it has to be renewed there",
  CERT_NOT_YET_VALID: "the server's certificate is for later: is a clock wrong?",
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate is that of another host: connect to a name that it has, or give that as tls.servername',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_ISSUER,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  CERT_REVOKED: "the server's certificate was revoked",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    'the server wants a client certificate: give tls.cert and tls.key, or certfile and keyfile in the URI',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'the server wants a client certificate (tls.cert and tls.key), or knows none of the cipher suites',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: `${REFUSED}: it does not know who issued it`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: `${REFUSED}: it has expired`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: `${REFUSED}: it was revoked`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: REFUSED,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: REFUSED,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: REFUSED,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: REFUSED,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION:
    'the server speaks other versions of TLS: see tls.minVersion and tls.maxVersion',
  ERR_SSL_UNSUPPORTED_PROTOCOL:
    'the server speaks other versions of TLS: see tls.minVersion and tls.maxVersion',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'no server of that name is there: give the right one as tls.servername',
  ERR_SSL_NO_CIPHER_MATCH: 'tls.ciphers names none that there is',
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_HTTP_REQUEST: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  EPROTO: NOT_TLS,
  ECONNRESET:
    'it hung up during the TLS handshake: is it a TLS port, and does it accept the client certificate, if one was given?',
  ERR_OSSL_BAD_DECRYPT: PASSPHRASE,
  ERR_OSSL_EVP_BAD_DECRYPT: PASSPHRASE,
  ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED: PASSPHRASE,
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: 'tls.key is not the key of tls.cert',
}
