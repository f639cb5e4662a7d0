// A TCP connection as a file of tcpdump's, for programs that read those: whole IPv4 packets with an opening handshake and sequence
// numbers that go on, without checksums (zero: readers take that for unverified). It knows nothing of what is sent.
//
// The format: a header of 24 octets (magic number, version 2.4, longest packet, link type), then packets, each behind its
// time and its length twice. The link type 101 has no layer below IP.

export type PacketDirection = 'toServer' | 'toClient'

const MAGIC = 0xa1b2c3d4
const LINK_TYPE_RAW = 101
const IP_HEADER_SIZE = 20
const TCP_HEADER_SIZE = 20
const PACKET_MAX = 65_535
/** What fits a packet beside its headers. */
const SEGMENT_MAX = PACKET_MAX - IP_HEADER_SIZE - TCP_HEADER_SIZE

const CLIENT_PORT = 50_000
const SERVER_PORT = 5_672

const Flag = { Syn: 0x02, Push: 0x08, Ack: 0x10 } as const

export class Pcap {
  readonly #octets: Buffer[] = [fileHeader()]
  #packets = 0
  /** Next sequence numbers of the senders in the direction. */
  readonly #next = { toServer: 1_000, toClient: 2_000 }

  constructor() {
    this.#packet('toServer', Flag.Syn)
    this.#packet('toClient', Flag.Syn | Flag.Ack)
    this.#packet('toServer', Flag.Ack)
  }

  /** How many packets it holds: number of the last, counted from one. */
  get packets(): number {
    return this.#packets
  }

  /** Octets that were sent: one packet, or several if they are too many for one. */
  add(direction: PacketDirection, octets: Buffer, segmentMax = SEGMENT_MAX): void {
    for (let start = 0; start < octets.length; start += segmentMax) {
      this.#packet(direction, Flag.Push | Flag.Ack, octets.subarray(start, start + segmentMax))
    }
  }

  /** The file. */
  get octets(): Buffer {
    return Buffer.concat(this.#octets)
  }

  #packet(direction: PacketDirection, flags: number, payload: Buffer = Buffer.alloc(0)): void {
    const isToServer = direction === 'toServer'
    const length = IP_HEADER_SIZE + TCP_HEADER_SIZE + payload.length
    const record = Buffer.alloc(16)
    record.writeUInt32BE(1_700_000_000, 0)
    record.writeUInt32BE(this.#packets++, 4)
    record.writeUInt32BE(length, 8)
    record.writeUInt32BE(length, 12)

    const ip = Buffer.alloc(IP_HEADER_SIZE)
    // Version 4, a header of five words; time to live; TCP.
    ip.writeUInt8(0x45, 0)
    ip.writeUInt16BE(length, 2)
    ip.writeUInt8(64, 8)
    ip.writeUInt8(6, 9)
    ip.set([127, 0, 0, isToServer ? 1 : 2], 12)
    ip.set([127, 0, 0, isToServer ? 2 : 1], 16)

    const tcp = Buffer.alloc(TCP_HEADER_SIZE)
    tcp.writeUInt16BE(isToServer ? CLIENT_PORT : SERVER_PORT, 0)
    tcp.writeUInt16BE(isToServer ? SERVER_PORT : CLIENT_PORT, 2)
    tcp.writeUInt32BE(this.#next[direction], 4)
    if ((flags & Flag.Ack) !== 0) tcp.writeUInt32BE(this.#next[isToServer ? 'toClient' : 'toServer'], 8)
    // A header of five words; the window.
    tcp.writeUInt8(0x50, 12)
    tcp.writeUInt8(flags, 13)
    tcp.writeUInt16BE(65_535, 14)
    this.#next[direction] += payload.length + ((flags & Flag.Syn) === 0 ? 0 : 1)
    this.#octets.push(record, ip, tcp, payload)
  }
}

function fileHeader(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt16BE(2, 4)
  header.writeUInt16BE(4, 6)
  header.writeUInt32BE(PACKET_MAX, 16)
  header.writeUInt32BE(LINK_TYPE_RAW, 20)
  return header
}
