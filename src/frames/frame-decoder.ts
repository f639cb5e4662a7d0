// Octets -> frames: AMQP 0-9-1 section 4.2.3. Pull style: `push` lends a chunk, `next` is called until it
// returns 0, and by then nothing refers to the chunk. No object is made for a frame; the fields say what
// `next` found. A method or header frame is given whole: in place if the chunk has all of it, else from a
// copy of exactly its size. Bodies are given in pieces as they come, for the receiver to put where they
// belong. Total: any octets give frames or one FrameError. It does not know what a payload means, nor whether
// a frame is allowed where it stands.
//
//   type 1 | channel 2 | size 4 | payload ... | frame-end 1

import {
  FRAME_END,
  FRAME_HEADER_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  INITIAL_FRAME_MAX,
  NO_OCTETS,
  SIZE_OFFSET,
} from './constants.js'
import { FrameError } from './frame-error.js'
import type { WholeContent } from './whole-content.js'

/** Method, header and body frame. */
const FRAMES_OF_WHOLE = 3

export class FrameDecoder {
  /** Octets of the largest frame accepted, header and frame-end included. Holds for headers read later. */
  frameMax = INITIAL_FRAME_MAX

  // What `next` found, until it is called again.
  channelNumber = 0
  /** Lent: the payload, or a piece of a body, lies in it from `start` up to `end`. */
  buffer: Buffer = NO_OCTETS
  start = 0
  end = 0
  /** False for all pieces of a body frame but the last, which comes with the frame-end and may be empty. */
  frameComplete = false

  /** Valid frames that have ended, heartbeats among them. */
  framesDecoded = 0
  heartbeatsDecoded = 0

  #dead = false
  #chunk: Buffer = NO_OCTETS
  #at = 0

  // The frame being decoded; its header is complete when #headerOctets says so.
  #headerOctets = 0
  #type: FrameType = FrameType.Heartbeat
  /** Octets of payload not yet given, without the frame-end. */
  #payloadLeft = 0
  /** Payload and frame-end of a method or header frame that did not come in one chunk. */
  #carry: Buffer = NO_OCTETS
  #carried = 0

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#headerOctets > 0
  }

  /** Octets of payload that are still to come of a body frame; undefined outside of one. Its frame-end comes behind them. */
  get bodyLeft(): number | undefined {
    const isInBody = this.#headerOctets === FRAME_HEADER_SIZE && this.#type === FrameType.Body
    return isInBody ? this.#payloadLeft : undefined
  }

  /** Octets of memory held for an unfinished frame; never more than `frameMax`. */
  get buffered(): number {
    return this.#carry.length
  }

  /** Lends the next octets, until `next` returns 0; it must have done so for the chunk before. */
  push(chunk: Buffer): void {
    if (this.#dead) return
    this.#chunk = chunk
    this.#at = 0
  }

  /**
   * Looks for a content that comes whole where the next frame begins. Nothing is consumed: {@link takeWhole} does that, or `next`
   * gives its frames one by one.
   */
  findWhole(content: WholeContent): boolean {
    return this.#headerOctets === 0 && content.find(this.#chunk, this.#at, this.frameMax)
  }

  /** Consumes what was found. */
  takeWhole({ end }: WholeContent): void {
    this.#at = end
    this.framesDecoded += FRAMES_OF_WHOLE
  }

  /**
   * Finds the next frame, or piece of a body, and returns its type; 0 when the chunk is consumed. Throws a
   * FrameError at the first octet that shows the stream to be broken: from then on it swallows everything,
   * for there is no way to find the beginning of a frame again.
   */
  next(): FrameType | 0 {
    if (this.#headerOctets < FRAME_HEADER_SIZE && !this.#readHeader()) return this.#releaseChunk()
    return this.#type === FrameType.Body ? this.#readBodyPiece() : this.#readWholeFrame()
  }

  /** Whether the header of the frame is complete now. */
  #readHeader(): boolean {
    const chunk = this.#chunk
    const available = chunk.length - this.#at
    if (this.#headerOctets === 0) {
      if (available === 0) return false
      this.#acceptType(chunk[this.#at] as number)
      if (available >= FRAME_HEADER_SIZE) {
        this.#takeHeader(chunk, this.#at)
        this.#at += FRAME_HEADER_SIZE
        this.#acceptHeader()
        return true
      }
    }
    while (this.#at < chunk.length) {
      this.#takeHeaderOctet(chunk[this.#at++] as number)
      if (this.#headerOctets < FRAME_HEADER_SIZE) continue
      this.#acceptHeader()
      return true
    }
    return false
  }

  #acceptType(octet: number): void {
    if (!isFrameType(octet)) throw this.#broken(`unknown frame type ${octet}`)
    this.#type = octet
  }

  #takeHeader(buffer: Buffer, at: number): void {
    this.channelNumber = ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number)
    const high = ((buffer[at + 3] as number) << 8) | (buffer[at + 4] as number)
    const low = ((buffer[at + 5] as number) << 8) | (buffer[at + 6] as number)
    this.#payloadLeft = ((high << 16) | low) >>> 0
    this.#headerOctets = FRAME_HEADER_SIZE
  }

  /** The same for a header that is cut: what the fields held before is shifted out. */
  #takeHeaderOctet(octet: number): void {
    const offset = this.#headerOctets++
    if (offset >= SIZE_OFFSET) this.#payloadLeft = ((this.#payloadLeft << 8) | octet) >>> 0
    else if (offset > 0) this.channelNumber = ((this.channelNumber << 8) | octet) & 0xffff
  }

  /** Everything the header can be refused for is refused here, before its payload costs any memory. */
  #acceptHeader(): void {
    const { channelNumber } = this
    const size = this.#payloadLeft
    if (size > this.frameMax - FRAME_OVERHEAD) {
      throw this.#broken(`frame of ${size + FRAME_OVERHEAD} octets, frame-max is ${this.frameMax}`)
    }
    if (this.#type === FrameType.Heartbeat && (channelNumber !== 0 || size !== 0)) {
      throw this.#broken(`heartbeat of ${size} octets on channel ${channelNumber}`)
    }
  }

  #readBodyPiece(): FrameType | 0 {
    const start = this.#at
    const available = this.#chunk.length - start
    if (available === 0) return this.#releaseChunk()
    const octets = Math.min(available, this.#payloadLeft)
    this.#payloadLeft -= octets
    this.#at += octets
    this.#give(this.#chunk, start, this.#at)
    // Octets before a wrong frame-end are given first, as if they had come alone: what is wrong with them is noticed first.
    const isWrong = octets > 0 && this.#chunk[this.#at] !== FRAME_END
    if (available > octets && !isWrong) {
      this.#at++
      this.#endFrame()
    } else {
      this.frameComplete = false
    }
    return FrameType.Body
  }

  #readWholeFrame(): FrameType | 0 {
    const available = this.#chunk.length - this.#at
    const wanted = this.#payloadLeft + 1
    if (this.#carried === 0 && available >= wanted) {
      this.#at += wanted
      this.#give(this.#chunk, this.#at - wanted, this.#at - 1)
    } else if (!this.#carryOver(available, wanted)) {
      return this.#releaseChunk()
    }
    this.#endFrame()
    if (this.#type === FrameType.Heartbeat) this.heartbeatsDecoded++
    return this.#type
  }

  /** Copies what the chunk has of the frame; whether that completes it. */
  #carryOver(available: number, wanted: number): boolean {
    if (available === 0) return false
    if (this.#carried === 0) this.#carry = Buffer.allocUnsafeSlow(wanted)
    const octets = Math.min(available, wanted - this.#carried)
    this.#chunk.copy(this.#carry, this.#carried, this.#at, this.#at + octets)
    this.#at += octets
    this.#carried += octets
    if (this.#carried < wanted) return false
    this.#give(this.#carry, 0, wanted - 1)
    this.#carry = NO_OCTETS
    this.#carried = 0
    return true
  }

  #give(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  /** The octet behind what is given must be the frame-end. */
  #endFrame(): void {
    const octet = this.buffer[this.end]
    if (octet !== FRAME_END) throw this.#broken(`octet ${octet} in place of the frame-end ${FRAME_END}`)
    this.#headerOctets = 0
    this.frameComplete = true
    this.framesDecoded++
  }

  #releaseChunk(): 0 {
    this.#chunk = NO_OCTETS
    this.#at = 0
    this.#give(NO_OCTETS, 0, 0)
    return 0
  }

  #broken(message: string): FrameError {
    this.#dead = true
    this.#headerOctets = 0
    this.#releaseChunk()
    return new FrameError(501, message)
  }
}

function isFrameType(octet: number): octet is FrameType {
  return octet === FrameType.Heartbeat || (octet >= FrameType.Method && octet <= FrameType.Body)
}
