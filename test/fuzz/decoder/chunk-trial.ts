// One input in chunks, each lent and then destroyed: the decoder must give the same frames, keep no more than one of them, and
// end in the same way, wherever the octets are cut.

import { FrameDecoder, FrameError, FrameType } from '../../../src/frames/index.js'
import { Random } from '../random.js'
import { FrameMap, MOST_OCTETS } from './frame-map.js'
import { FRAME_MAX } from './stem.js'
import { told } from './thrown.js'

/** Of the inputs, those that are cut into chunks of a few octets: every chunk costs. */
const SMALL_SHARE = 0.2
const SMALL = 9

export class ChunkTrial {
  readonly #map = new FrameMap()
  readonly #borrowed = Buffer.alloc(MOST_OCTETS)
  #frame = 0
  /** Octets of the body frame that is being given in pieces. */
  #given = 0

  /** What is wrong, or undefined. The plan says where it is cut. */
  judge(octets: Buffer, plan: number): string | undefined {
    const map = this.#map
    const random = new Random(plan)
    const most = random.chance(SMALL_SHARE) ? SMALL : octets.length
    map.read(octets, octets.length, FRAME_MAX)
    this.#frame = 0
    this.#given = 0
    const decoder = new FrameDecoder()
    decoder.frameMax = FRAME_MAX
    try {
      for (let at = 0; at < octets.length; ) {
        const size = 1 + random.below(most)
        const complaint = this.#lend(decoder, octets, at, Math.min(octets.length, at + size))
        if (complaint !== undefined) return complaint
        at += size
      }
    } catch (error) {
      return this.#judgeError(error, decoder)
    }
    if (map.rest === 'refused') return 'takes in chunks what it refuses as a whole'
    if (this.#frame !== map.count) return `gives ${this.#frame} frames in chunks instead of ${map.count}`
    if (decoder.midFrame !== (map.rest === 'partial')) return 'ends in chunks elsewhere than as a whole'
    return undefined
  }

  #lend(decoder: FrameDecoder, octets: Buffer, from: number, to: number): string | undefined {
    const chunk = this.#borrowed.subarray(0, to - from)
    octets.copy(chunk, 0, from, to)
    decoder.push(chunk)
    for (let type = decoder.next(); type !== 0; type = decoder.next()) {
      const complaint = this.#judgeFrame(type, decoder, octets)
      if (complaint !== undefined) return complaint
    }
    chunk.fill(0xff)
    const isBounded = decoder.buffered <= FRAME_MAX
    return isBounded ? undefined : `keeps ${decoder.buffered} octets of chunks`
  }

  #judgeFrame(type: FrameType, decoder: FrameDecoder, octets: Buffer): string | undefined {
    const { buffer, start, end, channelNumber, frameComplete } = decoder
    const frame = this.#frame
    const at = this.#map.startOf(frame)
    if (frame > this.#map.count || type !== octets[at] || channelNumber !== octets.readUInt16BE(at + 1))
      return `gives in chunks as frame ${frame} what is not at ${at}`
    const payload = this.#map.payloadOf(frame) + this.#given
    if (octets.compare(buffer, start, end, payload, payload + end - start) !== 0)
      return `gives another payload of frame ${frame} in chunks`
    this.#given += end - start
    if (type !== FrameType.Body && !frameComplete) return 'gives in pieces what is no body'
    if (!frameComplete) return undefined
    if (payload + end - start !== this.#map.endOf(frame))
      return `gives only a part of frame ${frame} in chunks`
    this.#frame++
    this.#given = 0
    return undefined
  }

  #judgeError(error: unknown, decoder: FrameDecoder): string | undefined {
    if (!(error instanceof FrameError)) return `throws in chunks ${told(error)}`
    if (this.#map.rest !== 'refused' || this.#frame !== this.#map.count)
      return `refuses in chunks what it takes as a whole: ${error.message}`
    if (error.replyCode !== 501) return `refuses a frame with ${error.replyCode}`
    return decoder.buffered === 0 ? undefined : `keeps ${decoder.buffered} octets after an error`
  }
}
