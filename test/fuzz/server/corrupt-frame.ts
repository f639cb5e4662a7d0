// A frame with one thing wrong in its octets.

import type { Random } from '../random.js'
import { WIRE_FRAME_END, WIRE_HEADER_SIZE } from '../wire.js'

export type Corruption =
  | 'flip'
  | 'replace'
  | 'insert'
  | 'remove'
  | 'cut'
  | 'double'
  | 'readdress'
  | 'retype'
  | 'resize'
  | 'unend'

/** What is sent in place of the frame. */
export function corruptFrame(random: Random, frame: Buffer, how: Corruption): Buffer {
  const octets = Buffer.from(frame)
  const at = random.below(octets.length)
  const size = octets.length - WIRE_HEADER_SIZE - 1
  switch (how) {
    case 'flip':
      octets.writeUInt8(octets.readUInt8(at) ^ (1 << random.below(8)), at)
      return octets
    case 'replace':
      octets.writeUInt8(random.below(256), at)
      return octets
    case 'insert':
      return Buffer.concat([
        octets.subarray(0, at),
        random.octets(random.between(1, 20)),
        octets.subarray(at),
      ])
    case 'remove':
      return Buffer.concat([octets.subarray(0, at), octets.subarray(at + random.between(1, 20))])
    case 'cut':
      return octets.subarray(0, at)
    case 'double':
      return Buffer.concat([octets, octets])
    case 'readdress':
      octets.writeUInt16BE(random.pick([0, 1, 2, 3, 2047, 65_535]), 1)
      return octets
    case 'retype':
      octets.writeUInt8(random.pick([0, 1, 2, 3, 4, 8, 65, 206, 255]), 0)
      return octets
    case 'resize':
      octets.writeUInt32BE(
        random.pick([0, Math.max(0, size - 1), size + 1, size + 100, 131_064, 2 ** 32 - 1]),
        3,
      )
      return octets
    default:
      octets.writeUInt8(random.pick([0, 1, WIRE_FRAME_END ^ 1, 255]), octets.length - 1)
      return octets
  }
}
