// Where an argument stands (`headers.a.b[2]`), so that an error can name it. Encoding walks tables on the hot
// path of a publish and almost never fails, so the path is kept as one small cursor per table and spelled
// only by an error.

/** The name of an argument, or a place somewhere inside it. */
export type ArgumentPath = string | FieldPath

// Long enough to recognize a name by; a wrong name may be a whole document.
const SHOWN_LENGTH = 64
const PLAIN_NAME = /^[\w$-]+$/

/** A cursor over the fields of one table or array: `key` moves, the parents stay where they are meanwhile. */
export class FieldPath {
  /** How many tables and arrays deep this place is; 1 is the outermost. */
  readonly depth: number
  key: string | number = ''
  readonly #parent: ArgumentPath

  constructor(parent: ArgumentPath) {
    this.#parent = parent
    this.depth = typeof parent === 'string' ? 1 : parent.depth + 1
  }

  toString(): string {
    const { key } = this
    if (typeof key === 'number') return `${this.#parent}[${key}]`
    const shown = key.length > SHOWN_LENGTH ? `${key.slice(0, SHOWN_LENGTH)}…` : key
    return PLAIN_NAME.test(shown) ? `${this.#parent}.${shown}` : `${this.#parent}[${JSON.stringify(shown)}]`
  }
}
