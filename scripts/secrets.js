// @ts-check
//
// Whether a password of the tests was printed. All of them contain one word, in which they are found also when they are
// written otherwise than as text: in base64, as an inspected Buffer, as numbers. What is looked at comes in pieces, from
// programs that write as they like.

/** Every password, token and secret that the tests invent contains it; nothing else does. */
export const MARK = 'hunter2'

const OCTETS = [...Buffer.from(MARK)]
/** Of what came before, for one that was cut in two. */
const KEPT = 400

/** What to look for in text without white space, which the writers of numbers put in between. */
const FORMS = [
  { form: 'as text', needle: MARK },
  { form: 'in hexadecimal', needle: Buffer.from(MARK).toString('hex') },
  { form: 'as numbers', needle: OCTETS.join(',') },
  ...[0, 1, 2].map(offset => ({ form: 'in base64', needle: base64Behind(offset) })),
]

/** Looks at the output of one program after the other. */
export class SecretWatch {
  /** One sentence for each form in which a secret was printed, by each program. @type {Set<string>} */
  #leaks = new Set()
  #end = ''
  #who = ''

  /**
   * @param {string} text the next piece
   * @param {string} who printed it
   */
  look(text, who) {
    if (who !== this.#who) this.#end = ''
    this.#who = who
    const whole = (this.#end + text).replaceAll(/\s+/g, '')
    for (const { form, needle } of FORMS) {
      const place = whole.indexOf(needle)
      if (place < 0) continue
      const before = whole.slice(Math.max(0, place - 60), place)
      this.#leaks.add(`${who} printed a secret of the tests, ${form}, behind: ${before}`)
    }
    this.#end = whole.slice(-KEPT)
  }

  /** @returns {readonly string[]} */
  get leaks() {
    return [...this.#leaks]
  }
}

/**
 * The digits of base64 that are the same whatever stands around, so many octets behind a boundary of three.
 *
 * @param {number} offset
 */
function base64Behind(offset) {
  const digits = Buffer.from(`${'\0'.repeat(offset)}${MARK}`).toString('base64url')
  const first = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + OCTETS.length) * 8) / 6)
  return digits.slice(first, end)
}
