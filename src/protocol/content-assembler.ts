// Puts a content together from its frames (spec 4.2.6): method, header, body frames until the announced size is there.
// One per channel, in either direction; it knows no method and carries what it is given through to the end.
//
//   idle ──begin──▶ header ──size > 0──▶ body ──all there──▶ idle
//                      └─────size 0──────────────────────────▲
//
// A body that is larger than allowed is told at its header, and skipped: the peer may take for ever to send it.
//
// Body octets are borrowed. A body that comes whole is copied once, into whatever memory is kept for its size, or stays where it
// was read if that was offered; pieces go straight into the message's own buffer, or are there already. That is not sized by what the peer announces but by what it has sent: it grows fourfold, so that a
// lie about the size costs little.

import { type ByteReader, FRAME_OVERHEAD, FrameError, NO_OCTETS, OctetKeeper } from '../frames/index.js'
import { CONTENT_CLASS_ID, Content } from './content.js'
import { NO_PROPERTIES, skipProperties } from './properties.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** A method and the content that came with it. */
export interface Assembled<M> {
  readonly method: M
  /** Undefined when the body is larger than allowed: it is being skipped. */
  readonly content: Content | undefined
}

/** Body octets that are reserved on the peer's word alone. */
const TRUSTED_BODY_SIZE = 1_048_576
const GROWTH_FACTOR = 4
/** Octets of a body that are not copied are worth a read of their own from here on. */
const WORTH_A_READ = 32 * 1024
/** Memory for larger ones is not offered before anything of them has come. */
const OFFERED_UP_TO = 128 * 1024
/** For what stands between two bodies: one frame-end, the method and header frame, and the header of the next body frame. */
const BESIDES = 1024
/** For what stands between the frames of a body: the frame-end of one, and the header of the next. */
const BETWEEN_FRAMES = Buffer.allocUnsafeSlow(FRAME_OVERHEAD)

type Phase = 'idle' | 'header' | 'body'

export class ContentAssembler<M> {
  readonly #maxMessageSize: number
  readonly #bodies: OctetKeeper
  #phase: Phase = 'idle'
  #method: M | undefined
  /** Of the content that is there, or was last. */
  #propertyOctets: Buffer = NO_PROPERTIES
  #body: Buffer = NO_OCTETS
  #bodySize = 0
  #received = 0

  constructor(maxMessageSize: number, bodies = new OctetKeeper()) {
    this.#maxMessageSize = maxMessageSize
    this.#bodies = bodies
  }

  /** No content is unfinished. */
  get isIdle(): boolean {
    return this.#phase === 'idle'
  }

  /** A method with content has come. Another method in the middle of a content is 505, as on RabbitMQ. */
  begin(method: M): void {
    this.expectIdle()
    this.#method = method
    this.#phase = 'header'
  }

  /** Throws when a content is unfinished: no other frame may stand between its parts on its channel. */
  expectIdle(): void {
    if (this.#phase === 'idle') return
    throw new Violation(ReplyCode.UnexpectedFrame, `method frame where a content ${this.#phase} was expected`)
  }

  /** The payload of a header frame. */
  receiveHeader(reader: ByteReader): Assembled<M> | undefined {
    if (this.#phase !== 'header')
      throw new Violation(ReplyCode.UnexpectedFrame, 'unexpected content header frame')
    const classId = reader.short()
    const weight = reader.short()
    if (classId !== CONTENT_CLASS_ID || weight !== 0) {
      throw new Violation(ReplyCode.UnexpectedFrame, `content header of class ${classId}, weight ${weight}`)
    }
    const bodySize = reader.longlong()
    if (typeof bodySize === 'bigint') throw new FrameError(501, 'body size beyond 2^53')
    this.#keepProperties(reader)
    this.#bodySize = bodySize
    this.#received = 0
    this.#phase = 'body'
    if (bodySize === 0) return this.#finish(NO_OCTETS)
    return this.#isOversized() ? { method: this.#method as M, content: undefined } : undefined
  }

  /** A piece of a body frame; `frameComplete` on the last piece of each frame. */
  receiveBody(octets: Buffer, start: number, end: number, frameComplete: boolean): Assembled<M> | undefined {
    if (this.#phase !== 'body')
      throw new Violation(ReplyCode.UnexpectedFrame, 'unexpected content body frame')
    const received = this.#received + (end - start)
    const isWhole = frameComplete && this.#received === 0 && received === this.#bodySize
    if (isWhole && !this.#isOversized()) return this.#finish(this.#bodies.keep(octets, start, end))
    if (received > this.#bodySize) {
      throw new Violation(
        ReplyCode.FrameError,
        `content body longer than the announced ${this.#bodySize} octets`,
      )
    }
    if (!this.#isOversized()) {
      if (this.#received === 0) this.#body = this.#bodies.adopt(octets, start, this.#bodySize) ?? NO_OCTETS
      this.#reserve(received)
      if (!this.#isInPlace(octets, start)) octets.copy(this.#body, this.#received, start, end)
    }
    this.#received = received
    if (!frameComplete || received < this.#bodySize) return undefined
    const assembled = this.#finish(this.#body)
    return this.#isOversized() ? undefined : assembled
  }

  /** Where the next octets of a body frame may be put, of which so many are still to come. Undefined: anywhere. */
  placeFor(octets: number): Buffer | undefined {
    const left = this.#bodySize - this.#received
    if (this.#phase !== 'body' || this.#isOversized()) return undefined
    if (octets === 0 && left === 0) return this.#offer()
    if (octets === 0) return left >= WORTH_A_READ ? BETWEEN_FRAMES : undefined
    const end = Math.min(this.#received + octets, this.#body.length)
    return end - this.#received >= WORTH_A_READ ? this.#body.subarray(this.#received, end) : undefined
  }

  /** Behind a large body mostly comes another like it: it can stay where it is read to. */
  #offer(): Buffer | undefined {
    const size = this.#bodySize
    return size >= WORTH_A_READ && size <= OFFERED_UP_TO ? this.#bodies.offer(size + BESIDES) : undefined
  }

  #isInPlace(octets: Buffer, start: number): boolean {
    const body = this.#body
    return octets.buffer === body.buffer && octets.byteOffset + start === body.byteOffset + this.#received
  }

  #isOversized(): boolean {
    return this.#bodySize > this.#maxMessageSize
  }

  /** Validates the properties and copies their octets, unless they are those of the message before. */
  #keepProperties(reader: ByteReader): void {
    if (reader.matches(this.#propertyOctets)) return
    const { position } = reader
    skipProperties(reader)
    this.#propertyOctets = reader.copySince(position)
  }

  #reserve(size: number): void {
    if (size <= this.#body.length) return
    const trusted = Math.max(size, TRUSTED_BODY_SIZE, this.#body.length * GROWTH_FACTOR)
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#bodySize, trusted))
    this.#body.copy(larger, 0, 0, this.#received)
    this.#body = larger
  }

  #finish(body: Buffer): Assembled<M> {
    const assembled = { method: this.#method as M, content: new Content(this.#propertyOctets, body) }
    this.#phase = 'idle'
    this.#method = undefined
    this.#body = NO_OCTETS
    return assembled
  }
}
