// Octets as the specification prints them: hex`01 0001 00000004 003c000b ce`. White space is for the reader.

/** Octets from hexadecimal digits. Buffers and further digits may be put in between. */
export function hex(digits: TemplateStringsArray, ...between: (Uint8Array | string)[]): Buffer {
  const text = String.raw(digits, ...between.map(part => (typeof part === 'string' ? part : toHex(part))))
  const compact = text.replace(/\s/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(compact)) throw new Error(`no hexadecimal octets: ${text}`)
  return Buffer.from(compact, 'hex')
}

/** Octets as hexadecimal digits, so that a failed comparison can be read. */
export function toHex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}
