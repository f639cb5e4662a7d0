// Authentication mechanisms (spec 2.2.4): what Start-Ok and Secure-Ok carry. A mechanism is asked for its first response,
// and again for each challenge. Which one is taken is the handshake's affair.
//
// PLAIN (RFC 4616): RabbitMQ wants an empty authorization identity. AMQPLAIN: the contents of a field table, without the
// length that tables have in front everywhere else. EXTERNAL (RFC 4422): nothing; the name is in the client's certificate.
// Passwords are in closures: what is returned here can be inspected and shows nothing.

import { ArgumentError, ByteWriter, NO_OCTETS, writeTable } from '../frames/index.js'

/** A SASL mechanism: an object of this shape can be given as the `auth` option. */
export interface AuthMechanism {
  /** Its name in Connection.Start's list, for instance `PLAIN`. */
  readonly mechanism: string
  /** The response that goes with Start-Ok. */
  initialResponse(): Uint8Array
  /** The answer to a Connection.Secure. Absent: the mechanism expects none. */
  answer?(challenge: Uint8Array): Uint8Array
}

/** The mechanisms that are built in. */
export type AuthName = 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL'

const MECHANISMS: Readonly<Record<AuthName, (username: string, password: string) => AuthMechanism>> =
  Object.freeze({ PLAIN: plain, AMQPLAIN: amqplain, EXTERNAL: external })

export const AUTH_NAMES = Object.freeze(Object.keys(MECHANISMS)) as readonly AuthName[]

export function mechanismNamed(name: AuthName, username: string, password: string): AuthMechanism {
  return MECHANISMS[name](username, password)
}

/** Passwords that a server is told, by the mechanism that tells them. */
const passwords = new WeakMap<AuthMechanism, string>()

export function plain(username: string, password: string): AuthMechanism {
  const initialResponse = () =>
    Buffer.from(`\0${plainText(username, 'username')}\0${plainText(password, 'password')}`)
  return keeping(username, password, { mechanism: 'PLAIN', initialResponse })
}

export function amqplain(username: string, password: string): AuthMechanism {
  const initialResponse = () => {
    const writer = new ByteWriter()
    writer.begin()
    writeTable(writer, { LOGIN: username, PASSWORD: password }, 'credentials')
    return writer.written().subarray(TABLE_LENGTH_SIZE)
  }
  return keeping(username, password, { mechanism: 'AMQPLAIN', initialResponse })
}

export function external(): AuthMechanism {
  return { mechanism: 'EXTERNAL', initialResponse: () => NO_OCTETS }
}

/**
 * What a server says, without the password that it was told: it may say it again, and its words go into messages. Passwords
 * that are short, or the username, would take words out of every text, and are no secrets.
 */
export function conceal(text: string, mechanism: AuthMechanism): string {
  const password = passwords.get(mechanism)
  return password === undefined ? text : text.replaceAll(password, '[password]')
}

const TABLE_LENGTH_SIZE = 4
const SHORTEST_SECRET = 5

function keeping(username: string, password: string, mechanism: AuthMechanism): AuthMechanism {
  if (password.length >= SHORTEST_SECRET && password !== username) passwords.set(mechanism, password)
  return mechanism
}

/** What PLAIN cannot carry would be refused as a wrong password, or be one: a NUL ends it, half a character has no UTF-8. */
function plainText(text: string, path: string): string {
  if (text.includes('\0') || /\p{Surrogate}/u.test(text)) {
    throw new ArgumentError(path, 'must be well-formed Unicode without NUL characters, for PLAIN')
  }
  return text
}
