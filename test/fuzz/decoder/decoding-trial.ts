// One input, decoded by thump and judged by the reference: frames in place, what each method frame is, contents, and with which
// reply code it ends. The payloads are decoded each for itself, in whatever order they come, so that one frame out of place
// does not hide all that is behind it; the order is the state machines' affair.

import { ByteReader, FrameDecoder, FrameError, FrameType } from '../../../src/frames/index.js'
import { ContentAssembler } from '../../../src/protocol/content-assembler.js'
import { readMethod } from '../../../src/protocol/method-codec.js'
import { Violation } from '../../../src/protocol/violation.js'
import { EXPECTED_METHODS } from '../../protocol/method-table.expected.js'
import { FrameMap, shortAt } from './frame-map.js'
import { Reference } from './reference.js'
import { mix, mixText } from './signature.js'
import { FRAME_MAX } from './stem.js'
import { Tally } from './tally.js'
import { told } from './thrown.js'

/** So large a body is not kept, and so nothing is allocated for a lie about its size. */
const MAX_MESSAGE_SIZE = 65_536

const TYPES = ['method', 'header', 'body', 'heartbeat'] as const
const ENDS = ['all good', 'unfinished', '501', '502', '505', '540'] as const

export class DecodingTrial {
  readonly frames = new Tally('frames decoded', TYPES)
  readonly methods = new Tally(
    'methods decoded',
    EXPECTED_METHODS.map(({ name }) => name),
  )
  readonly ends = new Tally('ends of decoding', ENDS)
  /** Inputs of which the decoder has accepted a frame header, and those of which it has given a whole payload. */
  readonly depth = new Tally('how far inputs got', [
    'no frame header',
    'past a frame header',
    'into a payload',
  ])
  /** What came of the last input, for the choice of what to keep. */
  signature = 0
  readonly #map = new FrameMap()
  readonly #reference = new Reference()
  readonly #reader = new ByteReader()
  #decoder = newDecoder()
  #assembler = newAssembler()
  #isAssembling = false
  /** Where the pieces of its body begin and end. */
  readonly #pieces: number[] = []
  #accepted = 0
  #lastType = 0
  #lastMethod = -1

  /** Whether the last input was good as far as it went. */
  get isGood(): boolean {
    return this.#reference.replyCode === 0
  }

  /** What is wrong with how thump decodes the octets, or undefined. */
  judge(octets: Buffer): string | undefined {
    const map = this.#map
    const reference = this.#reference
    map.read(octets, octets.length, FRAME_MAX)
    reference.judge(octets, octets.length, map, false)
    this.#lastType = 0
    this.#lastMethod = -1
    this.#accepted = 0
    this.signature = 0
    let error: unknown
    try {
      this.#decode(octets)
    } catch (thrown) {
      error = thrown
    }
    const complaint = error === undefined ? this.#conclude(0) : this.#judgeError(error)
    this.#renew(complaint !== undefined)
    return complaint
  }

  /** What is broken, or in the middle of something, is of no use to the next input; the rest is, and saves a third of the time. */
  #renew(isSuspect: boolean): void {
    const isBroken = this.#map.rest === 'refused' && this.#accepted === this.#map.count
    if (isBroken || isSuspect || this.#decoder.midFrame) this.#decoder = newDecoder()
    if (this.#isAssembling || isSuspect) this.#assembler = newAssembler()
    this.#isAssembling = false
  }

  #decode(octets: Buffer): void {
    const decoder = this.#decoder
    decoder.push(octets)
    for (let type = decoder.next(); type !== 0; type = decoder.next()) {
      this.#expectInPlace(type, octets)
      if (type === FrameType.Method) this.#takeMethod()
      else if (type === FrameType.Header) this.#takeHeader()
      else if (type === FrameType.Body) this.#takeBody()
      this.#lastType = type
      if (!decoder.frameComplete) continue
      this.frames.count(type === FrameType.Heartbeat ? 3 : type - 1)
      this.#accepted++
    }
  }

  #expectInPlace(type: number, octets: Buffer): void {
    const map = this.#map
    const frame = this.#accepted
    const { buffer, start, end, channelNumber, frameComplete } = this.#decoder
    const at = map.startOf(frame)
    if (frame > map.count || type !== octets[at] || channelNumber !== shortAt(octets, at + 1))
      throw new Complaint(`frame ${frame} is not the one at ${at}`)
    const isWhole = buffer === octets && start === map.payloadOf(frame) && end === map.endOf(frame)
    const isRest = type === FrameType.Body && frame === map.count && start === map.payloadOf(frame)
    if (frameComplete ? !isWhole : !isRest)
      throw new Complaint(`the payload of frame ${frame} is out of place`)
  }

  #takeMethod(): void {
    const { buffer, start, end } = this.#decoder
    this.#reader.reset(buffer, start, end)
    const { name } = readMethod(this.#reader)
    const index = this.#reference.methods[this.#accepted] ?? -1
    if (EXPECTED_METHODS[index]?.name !== name) throw new Complaint(`frame ${this.#accepted} is no ${name}`)
    this.methods.count(index)
    this.#lastMethod = index
  }

  #takeHeader(): void {
    const { buffer, start, end } = this.#decoder
    this.#pieces.length = 0
    // Of one that is in the middle of a content only the end of the connection comes.
    if (this.#isAssembling) this.#assembler = newAssembler()
    this.#isAssembling = true
    this.#assembler.begin(undefined)
    this.#reader.reset(buffer, start, end)
    const assembled = this.#assembler.receiveHeader(this.#reader)
    // One that is too large is told at its header, and skipped: no input is long enough to see its end.
    this.#isAssembling = assembled?.content === undefined
  }

  #takeBody(): void {
    if (!this.#isAssembling) return
    const { buffer, start, end, frameComplete } = this.#decoder
    this.#pieces.push(start, end)
    const assembled = this.#assembler.receiveBody(buffer, start, end, frameComplete)
    if (assembled?.content !== undefined) this.#expectBody(assembled.content.body, buffer)
    this.#isAssembling = assembled === undefined
  }

  /** It is what came in pieces, and nothing more. */
  #expectBody(body: Buffer, octets: Buffer): void {
    let at = 0
    for (let index = 0; index < this.#pieces.length; index += 2) {
      const [start, end] = this.#pieces.slice(index, index + 2) as [number, number]
      if (body.compare(octets, start, end, at, at + end - start) !== 0)
        throw new Complaint('a body has other octets than its frames')
      at += end - start
    }
    if (at !== body.length) throw new Complaint(`a body has ${body.length} octets, its frames ${at}`)
  }

  #judgeError(error: unknown): string | undefined {
    if (error instanceof Complaint) return error.message
    const replyCode = replyCodeOf(error)
    if (replyCode === 0) return `throws ${told(error)}`
    this.signature = mixText(0, (error as Error).message)
    return this.#conclude(replyCode) ?? this.#complainOfIds(error)
  }

  #conclude(replyCode: number): string | undefined {
    const map = this.#map
    const reference = this.#reference
    const { midFrame, buffered } = this.#decoder
    this.ends.count(
      replyCode === 0 ? Number(midFrame) : ENDS.indexOf(String(replyCode) as (typeof ENDS)[number]),
    )
    this.depth.count(map.headers === 0 ? 0 : map.count === 0 ? 1 : 2)
    this.#sign(replyCode, midFrame)
    if (replyCode !== reference.replyCode) return `ends with ${replyCode} instead of ${reference.replyCode}`
    if (this.#accepted !== reference.accepted) {
      return `decodes ${this.#accepted} frames instead of ${reference.accepted}`
    }
    const isUnfinished = replyCode === 0 && map.rest === 'partial'
    if (midFrame !== isUnfinished && replyCode === 0)
      return `ends ${midFrame ? '' : 'not '}in the middle of a frame`
    return buffered > FRAME_MAX ? `keeps ${buffered} octets` : undefined
  }

  /** A method that is refused for its arguments is named by the error. */
  #complainOfIds(error: unknown): string | undefined {
    const map = this.#map
    const reference = this.#reference
    const index = reference.accepted < map.count ? reference.methods[reference.accepted] : undefined
    const expected = EXPECTED_METHODS[index ?? -1]
    const { classId, methodId } = error instanceof Violation ? error : { classId: 0, methodId: 0 }
    const isNamed = classId === (expected?.classId ?? 0) && methodId === (expected?.methodId ?? 0)
    return isNamed ? undefined : `the error names method ${methodId} of class ${classId}: ${error}`
  }

  /** The last frame and how it ended, but not the way there: that would be new every time. */
  #sign(replyCode: number, midFrame: boolean): void {
    const place = replyCode === 0 ? this.#lastMethod : replyCode
    this.signature = mix(mix(mix(this.signature, this.#lastType), place), Number(midFrame))
  }
}

/** A disagreement that is noticed on the way. */
class Complaint extends Error {}

function newDecoder(): FrameDecoder {
  const decoder = new FrameDecoder()
  decoder.frameMax = FRAME_MAX
  return decoder
}

function newAssembler(): ContentAssembler<undefined> {
  return new ContentAssembler(MAX_MESSAGE_SIZE)
}

/** 0 when it is no error that decoding may throw. */
export function replyCodeOf(error: unknown): number {
  return error instanceof FrameError || error instanceof Violation ? error.replyCode : 0
}
