// Whether a value can be sent at all, asked when it is given. What goes out in the handshake is encoded long after that, and
// then there is nobody left to whom a wrong argument could be told as one.

import { ByteWriter, type FieldTable, writeTable } from '../frames/index.js'

/** Throws an ArgumentError that names the place inside the table. */
export function checkTable(table: FieldTable, path: string): void {
  writeTable(scratch(), table, path)
}

/** Throws an ArgumentError unless the value is text of at most 255 octets. */
export function checkShortstr(text: string, path: string): void {
  scratch().shortstr(text, path)
}

function scratch(): ByteWriter {
  const writer = new ByteWriter()
  writer.begin()
  return writer
}
