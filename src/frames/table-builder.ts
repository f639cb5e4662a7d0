// Puts a received table together. It must have no prototype, and Object.create(null) gives it that as a hash table: dear to
// fill, to read and to collect. An object that loses its prototype while it is empty is a quick one; but V8 keeps a record
// of its names and their order, and for names that never come again making that takes ten times as long as the hash table.
//
// The headers of one application have the same names in the same order, mostly. So a table is a quick object as long as
// its names are those of the table before it, and a hash table from the first one on that is not.

import type { FieldTable, FieldValue } from './field-value.js'

/** Of a table with more names none are remembered: they stay in memory until another comes. */
const NAMES_MAX = 32

/** For one table after another. */
export class TableBuilder {
  /** Of the table before, in their order. */
  #usual: readonly string[] = []
  /** Names of this table, if it is not like that one. */
  #unusual: string[] | undefined
  #table: FieldTable | undefined
  /** Of this table's names, those that were as usual. */
  #count = 0

  begin(): void {
    this.#unusual = undefined
    this.#table = undefined
    this.#count = 0
  }

  /** What the next name is, if it is as usual. */
  get expected(): string | undefined {
    return this.#usual[this.#count]
  }

  /** Of a name that comes twice the first value counts. */
  add(name: string, value: FieldValue): void {
    if (this.#unusual === undefined && name === this.expected) {
      this.#table ??= Object.setPrototypeOf({}, null) as FieldTable
      this.#table[name] = value
      this.#count++
    } else this.#addUnusual(name, value)
  }

  end(): FieldTable {
    const table = this.#table ?? Object.create(null)
    if (this.#unusual !== undefined) this.#usual = this.#unusual.length <= NAMES_MAX ? this.#unusual : []
    this.#table = undefined
    return table
  }

  #addUnusual(name: string, value: FieldValue): void {
    if (this.#unusual === undefined) {
      this.#unusual = this.#usual.slice(0, this.#count)
      this.#table = Object.assign(Object.create(null), this.#table)
    }
    const table = this.#table as FieldTable
    if (table[name] !== undefined) return
    table[name] = value
    this.#unusual.push(name)
  }
}
