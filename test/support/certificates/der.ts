// ASN.1 in its distinguished encoding (X.690), as much of it as a certificate is made of: values in, octets out.

const BOOLEAN = 0x01
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OBJECT_IDENTIFIER = 0x06
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const SET = 0x31

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(SEQUENCE, Buffer.concat(parts))
}

export function setOf(part: Uint8Array): Buffer {
  return tagged(SET, part)
}

export const booleanTrue = tagged(BOOLEAN, Buffer.from([0xff]))

/** A number of any size that is not negative. */
export function integer(octets: Uint8Array): Buffer {
  const first = octets.findIndex(octet => octet !== 0)
  const digits = first < 0 ? Buffer.from([0]) : Buffer.from(octets.subarray(first))
  return tagged(INTEGER, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.from([0]), digits]))
}

/** Whole octets, or so many bits of the last one less. */
export function bitString(octets: Uint8Array, unusedBits = 0): Buffer {
  return tagged(BIT_STRING, Buffer.concat([Buffer.from([unusedBits]), octets]))
}

export function octetString(octets: Uint8Array): Buffer {
  return tagged(OCTET_STRING, octets)
}

export function utf8String(text: string): Buffer {
  return tagged(UTF8_STRING, Buffer.from(text))
}

/** As RFC 5280 wants it: with two digits for the year up to 2049. */
export function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050
    ? tagged(UTC_TIME, Buffer.from(text.slice(2)))
    : tagged(GENERALIZED_TIME, Buffer.from(text))
}

/** By its dotted name: `2.5.29.17`. */
export function objectIdentifier(name: string): Buffer {
  const [first = 0, second = 0, ...rest] = name.split('.').map(Number)
  return tagged(OBJECT_IDENTIFIER, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** With a tag of its context: `implicit` takes the place of the value's own tag, `explicit` stands around it. */
export function implicit(number: number, content: Uint8Array): Buffer {
  return tagged(0x80 + number, content)
}

export function explicit(number: number, part: Uint8Array): Buffer {
  return tagged(0xa0 + number, part)
}

function tagged(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const sizes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...sizes]), content])
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 0x7f) | 0x80)
  return digits
}
