// Fields with their type tags on the wire, for tests that must tell an `I` from an `l`, and the text in which the program
// peer.c takes and gives them: words between spaces, tag before value, count before what a table or an array holds.
// Nothing here knows octets: librabbitmq makes and reads them.

/** A value behind its type tag, in RabbitMQ's reading of the tags. */
export type WireField =
  | readonly ['t', boolean]
  | readonly ['b' | 'B' | 's' | 'u' | 'I' | 'i' | 'f' | 'd', number]
  | readonly ['l' | 'L' | 'T', bigint]
  | readonly ['D', WireDecimal]
  /** Text, or octets where they are no UTF-8. */
  | readonly ['S', string | Buffer]
  | readonly ['x', Buffer]
  | readonly ['A', readonly WireField[]]
  | readonly ['F', WireTable]
  | readonly ['V']

export interface WireTable {
  readonly [name: string]: WireField
}

/** A table by its fields in order: of one that is sent, names may come twice. */
export type WireEntries = readonly (readonly [name: string, field: WireField])[]

/** `value / 10 ** scale`. */
export interface WireDecimal {
  readonly scale: number
  readonly value: number
}

/** The words of a line, taken one by one. */
export type Words = Iterator<string>

export function takeWord(words: Words): string {
  const { value, done } = words.next()
  if (done === true) throw new Error('the line ends too soon')
  return value
}

export function octetsWord(octets: string | Buffer): string {
  return `x${Buffer.from(octets as string).toString('hex')}`
}

export function takeOctets(words: Words): Buffer {
  return Buffer.from(takeWord(words).slice(1), 'hex')
}

export function tableWords(table: WireTable | WireEntries): string[] {
  const entries: WireEntries = isEntries(table) ? table : Object.entries(table)
  const words = entries.flatMap(([name, field]) => [octetsWord(name), ...fieldWords(field)])
  return [String(entries.length), ...words]
}

function isEntries(table: WireTable | WireEntries): table is WireEntries {
  return Array.isArray(table)
}

export function takeTable(words: Words): WireTable {
  const table: Record<string, WireField> = Object.create(null)
  for (let left = Number(takeWord(words)); left > 0; left--) {
    const name = takeOctets(words).toString()
    table[name] = takeField(words)
  }
  return table
}

function fieldWords(field: WireField): string[] {
  switch (field[0]) {
    case 't':
      return [field[0], field[1] ? '1' : '0']
    case 'D':
      return [field[0], String(field[1].scale), String(field[1].value)]
    case 'S':
    case 'x':
      return [field[0], octetsWord(field[1])]
    case 'A':
      return [field[0], String(field[1].length), ...field[1].flatMap(fieldWords)]
    case 'F':
      return [field[0], ...tableWords(field[1])]
    case 'V':
      return [field[0]]
    default:
      // The one number whose text does not say what it is.
      return [field[0], Object.is(field[1], -0) ? '-0' : String(field[1])]
  }
}

function takeField(words: Words): WireField {
  const tag = takeWord(words) as WireField[0]
  switch (tag) {
    case 't':
      return [tag, takeWord(words) !== '0']
    case 'l':
    case 'L':
    case 'T':
      return [tag, BigInt(takeWord(words))]
    case 'D':
      return [tag, { scale: Number(takeWord(words)), value: Number(takeWord(words)) }]
    case 'S':
      return [tag, textOrOctets(takeOctets(words))]
    case 'x':
      return [tag, takeOctets(words)]
    case 'A':
      return [tag, Array.from({ length: Number(takeWord(words)) }, () => takeField(words))]
    case 'F':
      return [tag, takeTable(words)]
    case 'V':
      return [tag]
    default:
      return [tag, Number(takeWord(words))]
  }
}

function textOrOctets(octets: Buffer): string | Buffer {
  const text = octets.toString()
  return Buffer.from(text).equals(octets) ? text : octets
}
