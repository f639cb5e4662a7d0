// Short strings by their octets. Exchanges, routing keys and consumer tags come again and again, and comparing with a
// string that is there costs less than making it anew. Bounded: a slot holds the last string that fell there. It knows
// ASCII only; other text is decoded each time.

const SLOTS = 256
/** Octets; a longer string is seldom a name. */
const LONGEST = 64

export class NameCache {
  readonly #names: string[] = new Array(SLOTS).fill('')

  /** The text of these octets, if it is known. */
  find(buffer: Buffer, start: number, end: number): string | undefined {
    const length = end - start
    if (length === 0) return ''
    const known = this.#names[slotOf(buffer, start, end)] as string
    return known.length === length && isText(known, buffer, start) ? known : undefined
  }

  /** The text of octets in UTF-8 that was not known, invalid ones replaced. */
  add(buffer: Buffer, start: number, end: number): string {
    const length = end - start
    const text = buffer.toString('utf8', start, end)
    // As many units as octets: all ASCII, or with U+FFFD for invalid octets, which equals no octet and so is never found.
    if (text.length === length && length <= LONGEST) this.#names[slotOf(buffer, start, end)] = text
    return text
  }
}

/** From the length and three octets: names of one family differ at the end, or in length. */
function slotOf(buffer: Buffer, start: number, end: number): number {
  const first = buffer[start] as number
  const middle = buffer[(start + end) >> 1] as number
  const last = buffer[end - 1] as number
  return (31 * (end - start) + 7 * first + 3 * middle + last) % SLOTS
}

/** Whether the octets from `start` are those of a text in ASCII. From the end, where names of one family differ: a miss is then nearly free. */
export function isText(text: string, buffer: Buffer, start: number): boolean {
  for (let index = text.length - 1; index >= 0; index--) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f || unit !== buffer[start + index]) return false
  }
  return true
}
