// What a state machine says to its peer, judged as a peer would: the protocol header and then frames, at most one
// connection.close, nothing behind it but its answer, nothing behind a channel.close on its channel, and reply codes that a
// client may use.

import { FrameMap, shortAt } from './frame-map.js'

const PROTOCOL_HEADER = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')
/** Longer than what is ever sent at once here. */
const MOST_SENT = 262_144
const FRAME_MAX = 131_072
/** Read and left at once: one for all. */
const MAP = new FrameMap(MOST_SENT)

/** Class and method, as one number. */
const id = (classId: number, methodId: number): number => classId * 65_536 + methodId
const CONNECTION_CLOSE = id(10, 50)
const CONNECTION_CLOSE_OK = id(10, 51)
const CHANNEL_OPEN = id(20, 10)
const CHANNEL_CLOSE = id(20, 40)
const CHANNEL_CLOSE_OK = id(20, 41)

/** 200 is the application's own wish; 541 would be a mistake of ours, and is none of these. */
const CONNECTION_CODES: ReadonlySet<number> = new Set([200, 501, 502, 503, 504, 505, 506, 540])
const CHANNEL_CODES: ReadonlySet<number> = new Set([200, 311])

export class Outgoing {
  readonly #closedChannels = new Set<number>()
  #begun = false
  #closed = 0
  #answered = 0

  /** The next octets, whole frames. What is wrong with them, or undefined. */
  judge(octets: Buffer): string | undefined {
    if (this.#begun) return this.#judgeFrames(octets)
    this.#begun = true
    const header = octets.subarray(0, PROTOCOL_HEADER.length)
    if (!header.equals(PROTOCOL_HEADER)) return `begins with ${header.toString('hex')}`
    return this.#judgeFrames(octets.subarray(PROTOCOL_HEADER.length))
  }

  #judgeFrames(octets: Buffer): string | undefined {
    MAP.read(octets, octets.length, FRAME_MAX)
    if (MAP.rest !== 'nothing') return `sends what is no frame: ${octets.toString('hex')}`
    for (let frame = 0; frame < MAP.count; frame++) {
      const complaint = this.#judgeFrame(octets, MAP.startOf(frame))
      if (complaint !== undefined) return complaint
    }
    return undefined
  }

  #judgeFrame(octets: Buffer, at: number): string | undefined {
    const type = octets[at]
    if (this.#answered > 0) return 'sends something behind connection.close-ok'
    if (type === 8) return undefined
    const channelNumber = shortAt(octets, at + 1)
    const method = type === 1 ? id(shortAt(octets, at + 7), shortAt(octets, at + 9)) : 0
    if (this.#closed > 0 && method !== CONNECTION_CLOSE_OK) return 'sends something behind connection.close'
    if (channelNumber !== 0) return this.#judgeChannel(channelNumber, method, shortAt(octets, at + 11))
    if (method === CONNECTION_CLOSE_OK) this.#answered++
    if (method !== CONNECTION_CLOSE) return undefined
    this.#closed++
    const replyCode = shortAt(octets, at + 11)
    return CONNECTION_CODES.has(replyCode) ? undefined : `closes the connection with ${replyCode}`
  }

  #judgeChannel(channelNumber: number, method: number, replyCode: number): string | undefined {
    if (method === CHANNEL_OPEN) this.#closedChannels.delete(channelNumber)
    if (this.#closedChannels.has(channelNumber) && method !== CHANNEL_CLOSE_OK)
      return `sends something behind channel.close on ${channelNumber}`
    if (method !== CHANNEL_CLOSE) return undefined
    this.#closedChannels.add(channelNumber)
    return CHANNEL_CODES.has(replyCode) ? undefined : `closes a channel with ${replyCode}`
  }
}
