// A certificate authority that lives as long as a test run, and the certificates it issues (X.509 v3, RFC 5280): made in
// memory within milliseconds by nothing but Node, so that no private key is ever kept in the project, and nothing expires
// but what is meant to. What it knows is what tests of TLS need: names, addresses, dates, and whose it is.

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import {
  bitString,
  booleanTrue,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  utf8String,
} from './der.js'

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface CertificateRequest {
  /** The common name. For a server the first of its names, by default. */
  readonly commonName?: string | undefined
  /** Host names and addresses that a server is known by. None by default: the certificate is a client's. */
  readonly names?: readonly string[] | undefined
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
  /** Encrypts the key. */
  readonly passphrase?: string | undefined
}

const DAY_MS = 86_400_000
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const BASIC_CONSTRAINTS = '2.5.29.19'
const KEY_USAGE = '2.5.29.15'
/** keyCertSign, the sixth bit from the left. */
const SIGNS_CERTIFICATES = bitString(Buffer.from([0x04]), 2)
const DNS_NAME = 2
const IP_ADDRESS = 7

export class CertificateAuthority {
  /** What those must trust who are to trust what it issues. */
  readonly cert: string
  readonly #name: Buffer
  readonly #key: KeyObject

  constructor(commonName = 'thump test authority') {
    const { publicKey, privateKey } = newKeys()
    this.#name = nameOf(commonName)
    this.#key = privateKey
    const extensions = [
      extension(BASIC_CONSTRAINTS, sequence(booleanTrue), true),
      extension(KEY_USAGE, SIGNS_CERTIFICATES, true),
    ]
    this.cert = this.#sign(this.#name, publicKey, {}, extensions)
  }

  issue(request: CertificateRequest): Identity {
    const { names = [], commonName = names[0] ?? 'client', passphrase } = request
    const { publicKey, privateKey } = newKeys()
    const known = sequence(...names.map(alternativeName))
    const extensions = names.length === 0 ? [] : [extension(SUBJECT_ALTERNATIVE_NAME, known, false)]
    const protection = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
    return {
      cert: this.#sign(nameOf(commonName), publicKey, request, extensions),
      key: privateKey.export({ type: 'pkcs8', format: 'pem', ...protection }) as string,
    }
  }

  #sign(
    subject: Buffer,
    publicKey: KeyObject,
    { notBefore, notAfter }: CertificateRequest,
    extensions: readonly Buffer[],
  ): string {
    const now = Date.now()
    const validity = sequence(
      time(notBefore ?? new Date(now - DAY_MS)),
      time(notAfter ?? new Date(now + DAY_MS)),
    )
    const content = sequence(
      explicit(0, integer(Buffer.from([2]))),
      integer(randomBytes(8)),
      ECDSA_WITH_SHA256,
      this.#name,
      validity,
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [explicit(3, sequence(...extensions))]),
    )
    const signature = sign('sha256', content, this.#key)
    return pem('CERTIFICATE', sequence(content, ECDSA_WITH_SHA256, bitString(signature)))
  }
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))))
}

function extension(name: string, value: Buffer, isCritical: boolean): Buffer {
  return sequence(objectIdentifier(name), ...(isCritical ? [booleanTrue] : []), octetString(value))
}

function alternativeName(name: string): Buffer {
  return isIP(name) === 0 ? implicit(DNS_NAME, Buffer.from(name)) : implicit(IP_ADDRESS, addressOctets(name))
}

function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // Of IPv6 the tests know the loopback address alone.
  return Buffer.concat([Buffer.alloc(15), Buffer.from([1])])
}

function pem(label: string, octets: Buffer): string {
  const rows = octets.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${rows.join('\n')}\n-----END ${label}-----\n`
}
