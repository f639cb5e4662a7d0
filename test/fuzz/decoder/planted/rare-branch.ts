// Code for the test of exploring, with a branch that chance alone reaches once in millions of inputs, and step by step once in a
// few thousand.

import type { Trial } from '../explorer.js'

export const trial: Trial = octets => {
  if (octets.length < 4 || octets[0] !== 0x80) return undefined
  if (octets[1] !== 0x7f) return 'one octet was right'
  return octets[2] === 0x01 ? 'all octets were right' : 'two octets were right'
}
