import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError, FrameDecoder, FrameType } from '../../src/frames/index.js'
import { type Encode, encodeMethodFrame, encodePublish } from '../../src/protocol/frame-writers.js'
import type { Method } from '../../src/protocol/method-types.js'
import { Outbound } from '../../src/protocol/outbound.js'
import { toHex } from '../support/hex.js'
import { runs } from '../support/runs.js'

const KIB = 1024
const FRAME_MAX = 131_072
/** A batch that is nearly full may take one more frame of a large body. */
const LARGEST_BATCH = 256 * KIB + 128 * KIB + 64

interface Frame {
  readonly type: FrameType
  readonly channelNumber: number
  readonly payload: Buffer
}

/** Frames of octets that are whole frames and nothing else. */
function framesOf(octets: Buffer, frameMax = FRAME_MAX): Frame[] {
  const decoder = new FrameDecoder()
  decoder.frameMax = frameMax
  decoder.push(octets)
  const frames: Frame[] = []
  let pieces: Buffer[] = []
  for (let type = decoder.next(); type !== 0; type = decoder.next()) {
    const { channelNumber, buffer, start, end, frameComplete } = decoder
    pieces.push(Buffer.from(buffer.subarray(start, end)))
    if (!frameComplete) continue
    frames.push({ type, channelNumber, payload: Buffer.concat(pieces) })
    pieces = []
  }
  expect(decoder.midFrame, 'octets end inside a frame').to.equal(false)
  return frames
}

function takeAll(outbound: Outbound): Buffer[] {
  const batches: Buffer[] = []
  for (let batch = outbound.take(); batch !== undefined; batch = outbound.take()) {
    batches.push(Buffer.concat(batch))
  }
  return batches
}

/** A method that says which command it is. */
function ack(deliveryTag: number): Method {
  return { name: 'basic.ack', args: { deliveryTag, multiple: false } }
}

function publishing(routingKey: string, body: Buffer) {
  return { exchange: '', routingKey, mandatory: false, properties: {}, body }
}

function bodyOf(size: number, seed: number): Buffer {
  return Buffer.alloc(size, `${seed}.`)
}

const payloadOf: Encode<Buffer> = (writer, _channelNumber, _frameMax, octets) => {
  writer.bytes(octets)
  return 1
}

/** A body frame of so many octets altogether. */
const frameOf: Encode<number> = (writer, channelNumber, _frameMax, size) => {
  const frame = Buffer.alloc(size)
  frame.writeUInt8(FrameType.Body, 0)
  frame.writeUInt16BE(channelNumber, 1)
  frame.writeUInt32BE(size - 8, 3)
  frame.writeUInt8(0xce, size - 1)
  writer.bytes(frame)
  return 1
}

type Step =
  | { readonly kind: 'command'; readonly channel: number }
  | { readonly kind: 'content'; readonly channel: number; readonly size: number }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'take'; readonly times: number }

const channel = fc.integer({ min: 1, max: 4 })
const size = fc.oneof(
  fc.constantFrom(0, 1, 8 * KIB, 8 * KIB + 1, 64 * KIB - 1, 64 * KIB, 300 * KIB),
  fc.integer({ min: 0, max: 20 * KIB }),
  fc.integer({ min: 0, max: 300 * KIB }),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('command' as const), channel }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('content' as const), channel, size }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'heartbeat' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('take' as const), times: fc.integer({ min: 1, max: 4 }) }),
  },
)

/** What was accepted, and what has come out. */
class Transmission {
  readonly outbound: Outbound
  readonly #frameMax: number
  /** By channel, in the order of acceptance: octets of methods and headers, and bodies. */
  readonly #expected = new Map<number, string[]>()
  readonly #actual = new Map<number, string[]>()
  /** Position of each command, by the number of the command. */
  readonly #positions: { position: number; wasBusy: boolean }[] = []
  readonly #begun = new Set<number>()
  #open: { channelNumber: number; left: number; pieces: Buffer[] }[] = []
  #octets = 0

  constructor(frameMax: number) {
    this.#frameMax = frameMax
    this.outbound = new Outbound(frameMax)
  }

  command(channelNumber: number): void {
    const wasBusy = this.outbound.isBusy(channelNumber)
    const id = this.#positions.length
    const position = this.outbound.append(channelNumber, encodeMethodFrame, ack(id))
    this.#positions.push({ position, wasBusy })
    this.#note(this.#expected, channelNumber, `ack ${id}`)
  }

  content(channelNumber: number, bodySize: number): void {
    if (this.outbound.isBusy(channelNumber)) return
    const id = this.#positions.length
    const body = bodyOf(bodySize, id)
    const message = publishing(String(id), body)
    const position = this.outbound.appendContent(channelNumber, encodePublish, message, body)
    this.#positions.push({ position, wasBusy: false })
    this.#note(this.#expected, channelNumber, `publish ${id} of ${bodySize}: ${digest(body)}`)
  }

  take(): boolean {
    const { size: waiting } = this.outbound
    const batch = this.outbound.take()
    if (batch === undefined) {
      expect(waiting).to.equal(0)
      return false
    }
    const octets = Buffer.concat(batch)
    this.#octets += octets.length
    expect(this.outbound.taken).to.equal(this.#octets)
    expect(octets.length).to.be.at.most(LARGEST_BATCH)
    for (const [index, frame] of framesOf(octets, this.#frameMax).entries()) this.#receive(frame, index)
    this.#checkPositions()
    return true
  }

  checkComplete(): void {
    expect([...this.#actual]).to.have.deep.members([...this.#expected])
    expect(this.#open).to.deep.equal([])
    expect(this.outbound.size).to.equal(0)
    expect(this.outbound.hasJobs).to.equal(false)
  }

  #receive({ type, channelNumber, payload }: Frame, index: number): void {
    const content = this.#open.find(one => one.channelNumber === channelNumber)
    if (type === FrameType.Heartbeat) {
      expect(index, 'a heartbeat leads its batch').to.equal(0)
    } else if (type === FrameType.Method) {
      expect(content, 'nothing stands inside a content').to.equal(undefined)
      const isPublish = payload.readUInt16BE(2) === 40
      const id = isPublish ? Number(payload.subarray(8, -1)) : Number(payload.readBigUInt64BE(4))
      this.#begun.add(id)
      if (!isPublish) this.#note(this.#actual, channelNumber, `ack ${id}`)
      else this.#open.push({ channelNumber, left: -id - 1, pieces: [] })
    } else if (content !== undefined) {
      this.#receiveContent(content, type, payload)
    } else expect.fail('a content frame without its method')
  }

  #receiveContent(
    content: { channelNumber: number; left: number; pieces: Buffer[] },
    type: FrameType,
    payload: Buffer,
  ) {
    if (type === FrameType.Body) {
      expect(content.pieces.length, 'a header stands before the body').to.be.at.least(1)
      content.pieces.push(payload)
    } else {
      expect(content.pieces).to.deep.equal([])
      content.pieces.push(payload)
    }
    const bodySize = Number((content.pieces[0] as Buffer).readBigUInt64BE(4))
    const body = Buffer.concat(content.pieces.slice(1))
    if (body.length < bodySize) return
    this.#open = this.#open.filter(one => one !== content)
    const id = -content.left - 1
    this.#note(this.#actual, content.channelNumber, `publish ${id} of ${bodySize}: ${digest(body)}`)
  }

  /** Not one octet has left as long as the position is not below `handedOver`. */
  #checkPositions(): void {
    const { handedOver } = this.outbound
    this.#positions.forEach(({ position, wasBusy }, id) => {
      const mayHaveLeft = position < handedOver
      if (this.#begun.has(id)) expect(mayHaveLeft, `command ${id} has begun to leave`).to.equal(true)
      else if (!wasBusy) expect(mayHaveLeft, `command ${id} has not left`).to.equal(false)
    })
  }

  #note(lists: Map<number, string[]>, channelNumber: number, what: string): void {
    lists.set(channelNumber, [...(lists.get(channelNumber) ?? []), what])
  }
}

function digest(body: Buffer): string {
  return `${toHex(body.subarray(0, 8))}..${toHex(body.subarray(-8))}`
}

/** A large body whose header is out. */
interface Turn {
  readonly channelNumber: number
  left: number
  /** Frames of each other body since the last of its own. */
  readonly othersSince: Map<number, number>
}

/** Who has had which part of the batches. */
class Turns {
  readonly #frameMax: number
  #bodies: Turn[] = []

  constructor(frameMax: number) {
    this.#frameMax = frameMax
  }

  take(outbound: Outbound): void {
    const { queued, size: waiting, hasJobs } = outbound
    const begun = this.#bodies.length
    const batch = Buffer.concat(outbound.take() ?? [])
    expect(batch.length).to.be.within(Math.min(waiting, 1), LARGEST_BATCH)
    const octets = this.#receive(framesOf(batch, this.#frameMax))
    const share = hasJobs ? 128 * KIB : 256 * KIB
    expect(batch.length - octets, 'of what waits in order').to.be.at.least(Math.min(queued, share))
    if (begun > 0) expect(octets, 'of the large bodies').to.be.above(0)
  }

  /** Octets of frames of large bodies. */
  #receive(frames: readonly Frame[]): number {
    let octets = 0
    for (const { type, channelNumber, payload } of frames) {
      const turn = this.#bodies.find(body => body.channelNumber === channelNumber)
      if (type === FrameType.Header && payload.readBigUInt64BE(4) >= 64 * KIB) {
        const left = Number(payload.readBigUInt64BE(4))
        this.#bodies.push({ channelNumber, left, othersSince: new Map() })
      } else if (type === FrameType.Body && turn !== undefined) {
        octets += payload.length + 8
        this.#goOn(turn, payload.length)
      }
    }
    return octets
  }

  #goOn(turn: Turn, octets: number): void {
    turn.left -= octets
    turn.othersSince.clear()
    this.#bodies = this.#bodies.filter(({ left }) => left > 0)
    for (const { channelNumber, othersSince } of this.#bodies) {
      if (channelNumber === turn.channelNumber) continue
      const since = (othersSince.get(turn.channelNumber) ?? 0) + 1
      expect(since, `frames of ${turn.channelNumber} since one of ${channelNumber}`).to.equal(1)
      othersSince.set(turn.channelNumber, since)
    }
  }
}

describe('Outbound', () => {
  for (const frameMax of [4096, 8192, 131_072]) {
    it(`sends every channel's frames in order, contents unbroken, in bounded batches of whole frames (${frameMax})`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), steps => {
          const transmission = new Transmission(frameMax)
          for (const next of steps) {
            if (next.kind === 'command') transmission.command(next.channel)
            else if (next.kind === 'content') transmission.content(next.channel, next.size)
            else if (next.kind === 'heartbeat') transmission.outbound.leadWithHeartbeat()
            else for (let count = 0; count < next.times; count++) transmission.take()
          }
          while (transmission.take());
          transmission.checkComplete()
        }),
        runs(60),
      )
    })
  }

  it('lets each who waits have its part of every batch, and large bodies their turns', () => {
    const command = fc.record({ kind: fc.constant('command' as const), channel, count: fc.nat(8000) })
    const content = fc.record({
      kind: fc.constant('content' as const),
      channel,
      size: fc.integer({ min: 1, max: 900 * KIB }),
    })
    const steps = fc.array(fc.oneof(command, content, fc.constant({ kind: 'take' as const })), {
      maxLength: 25,
    })
    fc.assert(
      fc.property(fc.constantFrom(8192, FRAME_MAX, 8 * FRAME_MAX), steps, (frameMax, taken) => {
        const outbound = new Outbound(frameMax)
        const turns = new Turns(frameMax)
        for (const next of taken) {
          if (next.kind === 'take') turns.take(outbound)
          else if (next.kind === 'content' && !outbound.isBusy(next.channel)) {
            const body = Buffer.alloc(next.size)
            outbound.appendContent(next.channel, encodePublish, publishing('q', body), body)
          } else if (next.kind === 'command') {
            for (let tag = 0; tag < next.count; tag++)
              outbound.append(next.channel, encodeMethodFrame, ack(tag))
          }
        }
        while (outbound.size > 0) turns.take(outbound)
      }),
      runs(30),
    )
  })

  it('has nothing to send at first', () => {
    const outbound = new Outbound(FRAME_MAX)
    expect(outbound.take()).to.equal(undefined)
    expect(outbound.size).to.equal(0)
    expect(outbound.isBusy(1)).to.equal(false)
  })

  it('writes a publish with an empty body as exactly two frames', () => {
    const outbound = new Outbound(FRAME_MAX)
    const message = { ...publishing('q', Buffer.alloc(0)), mandatory: true }
    outbound.appendContent(1, encodePublish, message, message.body)
    expect(toHex(Buffer.concat(takeAll(outbound)))).to.equal(
      '0100010000000a003c0028000000017101ce0200010000000e003c000000000000000000000000ce',
    )
  })

  it('cuts a body of 9000 octets at frame-max 4096 into 4088, 4088 and 824', () => {
    const outbound = new Outbound(4096)
    outbound.appendContent(1, encodePublish, publishing('q', Buffer.alloc(9000)), Buffer.alloc(9000))
    const frames = framesOf(Buffer.concat(takeAll(outbound)), 4096)
    expect(frames.slice(2).map(({ payload }) => payload.length)).to.deep.equal([4088, 4088, 824])
    expect(outbound.frames).to.equal(5)
  })

  it('passes a large body on by reference and copies a small one', () => {
    for (const [bodySize, isCopied] of [
      [8 * KIB, true],
      [8 * KIB + 1, false],
      [64 * KIB, false],
    ] as const) {
      const outbound = new Outbound(FRAME_MAX)
      const body = bodyOf(bodySize, 1)
      outbound.appendContent(1, encodePublish, publishing('q', body), body)
      const chunks = outbound.take() ?? []
      const isShared = chunks.some(({ buffer }) => buffer === body.buffer)
      expect(isShared, `${bodySize} octets`).to.equal(!isCopied)
    }
  })

  it('sends many bodies by reference in bounded batches, not all at once', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = bodyOf(60 * KIB, 1)
    for (let count = 0; count < 50; count++)
      outbound.appendContent(1, encodePublish, publishing('q', body), body)
    const sizes = takeAll(outbound).map(({ length }) => length)
    expect(Math.max(...sizes)).to.be.at.most(LARGEST_BATCH)
    expect(sizes.reduce((sum, octets) => sum + octets)).to.be.above(50 * 60 * KIB)
  })

  it('ends every batch at the end of a frame, wherever its limit falls in a body that is passed by reference', () => {
    const body = Buffer.alloc(20 * KIB)
    const frameMax = 8 * FRAME_MAX
    for (const [from, to] of [
      [256 * KIB - 80, 256 * KIB + 10],
      [256 * KIB - body.length - 80, 256 * KIB - body.length],
    ] as const) {
      for (let size = from; size < to; size++) {
        const outbound = new Outbound(frameMax)
        outbound.append(1, frameOf, size)
        outbound.appendContent(1, encodePublish, publishing('q', body), body)
        outbound.append(1, encodeMethodFrame, ack(1))
        const batches = takeAll(outbound)
        for (const batch of batches) framesOf(batch, frameMax)
        expect(batches[0]?.length, `behind ${size} octets`).to.be.below(256 * KIB + body.length + 100)
      }
    }
  })

  it('takes small commands, and those behind a large body, in batches of no more than the limit and one slab', () => {
    const outbound = new Outbound(FRAME_MAX)
    const append = (): void => {
      for (let tag = 0; tag < 30_000; tag++) outbound.append(1, encodeMethodFrame, ack(tag))
    }
    append()
    const body = Buffer.alloc(20 * KIB)
    outbound.appendContent(2, encodePublish, publishing('q', body), body)
    const large = Buffer.alloc(100 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', large), large)
    append()
    const sizes = takeAll(outbound).map(({ length }) => length)
    expect(sizes.length).to.be.above(4)
    expect(Math.max(...sizes)).to.be.at.most((256 + 64) * KIB)
  })

  it('fills a batch with frames of a large body exactly', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(1024 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    const [, second] = takeAll(outbound)
    expect(second?.length).to.equal(2 * FRAME_MAX)
  })

  it('takes the last octets of a large body with the batch before them, but no more than are copied elsewhere', () => {
    const sizesOf = (...bodies: number[]): number[] => {
      const outbound = new Outbound(FRAME_MAX)
      for (const [index, size] of bodies.entries()) {
        const body = Buffer.alloc(size)
        outbound.appendContent(index + 1, encodePublish, publishing('q', body), body)
      }
      return takeAll(outbound).map(({ length }) => Math.round(length / KIB))
    }
    expect(sizesOf(1024 * KIB)).to.deep.equal([256, 256, 256, 256])
    expect(sizesOf(255 * KIB + 8 * KIB)).to.deep.equal([263])
    expect(sizesOf(256 * KIB + 8 * KIB)).to.deep.equal([256, 8])
    // What is left of the others must not add up.
    expect(sizesOf(...Array(4).fill(133 * KIB))).to.deep.equal([256, 256 + 10, 10])
  })

  it('lends what it passes on by reference until the socket has it, each channel for itself', () => {
    const outbound = new Outbound(FRAME_MAX)
    const append = (channelNumber: number, size: number): void => {
      const body = Buffer.alloc(size)
      outbound.appendContent(channelNumber, encodePublish, publishing('q', body), body)
    }
    append(1, 8 * KIB)
    append(2, 8 * KIB + 1)
    append(3, 600 * KIB)
    append(4, 64 * KIB)
    const lent = (): number[] => [1, 2, 3, 4].filter(channelNumber => outbound.isLent(channelNumber))
    expect(lent()).to.deep.equal([2, 3, 4])
    outbound.take()
    expect(lent(), 'taken, and not yet written').to.deep.equal([2, 3, 4])
    expect([...outbound.noteWritten()].sort()).to.deep.equal([2, 4])
    expect(lent()).to.deep.equal([3])
    outbound.take()
    expect(outbound.noteWritten()).to.deep.equal([])
    takeAll(outbound)
    expect(outbound.noteWritten()).to.deep.equal([3])
    expect(outbound.noteWritten()).to.deep.equal([])
  })

  it('is full with a slab of small commands, or a large body', () => {
    const outbound = new Outbound(FRAME_MAX)
    outbound.append(1, frameOf, 64 * KIB - 1)
    expect(outbound.isFull).to.equal(false)
    outbound.append(1, frameOf, 8)
    expect(outbound.isFull).to.equal(true)
    takeAll(outbound)
    const body = Buffer.alloc(64 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    expect(outbound.isFull).to.equal(true)
  })

  it('ends a batch that is exactly full', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(20 * KIB)
    const appendBody = () => outbound.appendContent(1, encodePublish, publishing('q', body), body)
    appendBody()
    const { queued } = outbound
    outbound.append(1, frameOf, 256 * KIB - 2 * queued)
    appendBody()
    outbound.append(1, encodeMethodFrame, ack(1))
    expect(takeAll(outbound).map(({ length }) => length)).to.deep.equal([256 * KIB, 21])
  })

  it('sends no octet of a large body before its header', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(300 * KIB)
    for (let count = 0; count < 3; count++) outbound.append(2, frameOf, 100 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    const types = framesOf(Buffer.concat(takeAll(outbound)))
      .filter(({ channelNumber }) => channelNumber === 1)
      .map(({ type }) => type)
    expect(types.slice(0, 3)).to.deep.equal([FrameType.Method, FrameType.Header, FrameType.Body])
  })

  it('counts octets and frames exactly: what waits, what waits in order, what has been taken', () => {
    const outbound = new Outbound(4096)
    const append = (size: number): void => {
      const body = Buffer.alloc(size)
      outbound.appendContent(1, encodePublish, publishing('q', body), body)
    }
    // 18 octets of method frame, 22 of header frame, and 8 for each body frame.
    append(4100)
    expect(outbound).to.include({ size: 40 + 4116, queued: 40 + 4116, frames: 4 })
    append(3 * 4088)
    const queued = 40 + 4116 + 40 + 3 * 4096
    expect(outbound).to.include({ size: queued, queued, frames: 9 })
    expect(outbound.append(1, encodeMethodFrame, ack(1)), 'the position is that of the next octet').to.equal(
      queued,
    )
    append(64 * KIB - 1)
    expect(outbound.hasJobs, 'for 64 KiB less one octet').to.equal(false)
    const inOrder = outbound.queued
    append(64 * KIB)
    expect(outbound.hasJobs, 'for 64 KiB').to.equal(true)
    expect(outbound).to.include({ queued: inOrder + 40, size: inOrder + 40 + 64 * KIB })
    outbound.append(1, encodeMethodFrame, ack(2))
    expect(outbound).to.include({ queued: inOrder + 40, size: inOrder + 40 + 64 * KIB + 21 })
    const octets = Buffer.concat(takeAll(outbound))
    expect(outbound).to.include({ size: 0, queued: 0, taken: octets.length })
    expect(outbound.frames).to.equal(framesOf(octets, 4096).length)
    expect(outbound.append(1, encodeMethodFrame, ack(3)), 'nothing is before it').to.equal(
      outbound.handedOver,
    )
  })

  it('delays a small message on another channel by a few frames of a body of 64 MiB', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(64 * KIB * KIB)
    outbound.appendContent(1, encodePublish, publishing('large', body), body)
    outbound.take()
    outbound.appendContent(2, encodePublish, publishing('small', Buffer.from('x')), Buffer.from('x'))
    const frames = framesOf(Buffer.concat(outbound.take() ?? []))
    const before = frames.findIndex(({ channelNumber }) => channelNumber === 2)
    expect(before).to.be.within(0, 3)
    expect(outbound.isBusy(1)).to.equal(true)
  })

  it('drains large bodies in turn, a frame at a time', () => {
    const outbound = new Outbound(FRAME_MAX)
    for (const channelNumber of [1, 2, 3]) {
      const body = Buffer.alloc(512 * KIB)
      outbound.appendContent(channelNumber, encodePublish, publishing('q', body), body)
    }
    const frames = framesOf(Buffer.concat(takeAll(outbound)))
    const turns = frames
      .filter(({ type }) => type === FrameType.Body)
      .map(({ channelNumber }) => channelNumber)
    expect(turns.slice(0, 9)).to.deep.equal([1, 2, 3, 1, 2, 3, 1, 2, 3])
  })

  it('lets neither small commands nor a large body starve the other', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(1024 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    outbound.take()
    for (let tag = 0; tag < 40_000; tag++) outbound.append(2, encodeMethodFrame, ack(tag))
    for (const batch of takeAll(outbound).slice(0, 4)) {
      const channels = new Set(framesOf(batch).map(({ channelNumber }) => channelNumber))
      expect([...channels]).to.have.members([1, 2])
    }
  })

  it('holds what a channel sends behind its large body back until the body is out', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(300 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    outbound.append(1, encodeMethodFrame, ack(7))
    expect(outbound.isBusy(1)).to.equal(true)
    const frames = framesOf(Buffer.concat(takeAll(outbound)))
    expect(frames.at(-1)?.type).to.equal(FrameType.Method)
    expect(frames.filter(({ type }) => type === FrameType.Body)).to.have.length(3)
    expect(outbound.isBusy(1)).to.equal(false)
  })

  it('leads with one heartbeat, however often it is asked to, also when nothing else waits', () => {
    const outbound = new Outbound(FRAME_MAX)
    outbound.append(1, encodeMethodFrame, ack(1))
    outbound.leadWithHeartbeat()
    outbound.leadWithHeartbeat()
    const [batch] = takeAll(outbound)
    expect(framesOf(batch as Buffer).map(({ type }) => type)).to.deep.equal([8, 1])
    outbound.leadWithHeartbeat()
    expect(outbound.size).to.equal(8)
    expect(toHex(Buffer.concat(takeAll(outbound)))).to.equal('08000000000000ce')
    expect(outbound.heartbeats).to.equal(2)
  })

  it('leads with a heartbeat in the middle of a large body', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(1024 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    outbound.take()
    outbound.leadWithHeartbeat()
    const types = framesOf(Buffer.concat(outbound.take() ?? [])).map(({ type }) => type)
    expect(types[0]).to.equal(FrameType.Heartbeat)
    expect(types[1]).to.equal(FrameType.Body)
  })

  it('keeps nothing of a command that cannot be encoded, on whichever channel', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(300 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    const { size: before, frames } = outbound
    for (const channelNumber of [1, 2]) {
      expect(() => outbound.append(channelNumber, encodeMethodFrame, ack(-1))).to.throw(ArgumentError)
    }
    const unsendable = {
      ...publishing('q', body),
      properties: { headers: { 'too large': 'x'.repeat(FRAME_MAX) } },
    }
    expect(() => outbound.appendContent(2, encodePublish, unsendable, body)).to.throw(ArgumentError)
    expect(outbound.size).to.equal(before)
    expect(outbound.frames).to.equal(frames)
    expect(outbound.isBusy(2)).to.equal(false)
    outbound.append(2, encodeMethodFrame, ack(1))
    expect(framesOf(Buffer.concat(takeAll(outbound)))).to.have.length(6)
  })

  it('tells how much waits, and how much the socket has not taken yet', () => {
    const outbound = new Outbound(FRAME_MAX)
    outbound.append(1, payloadOf, Buffer.alloc(100))
    expect(outbound.size).to.equal(100)
    expect(outbound.appended).to.equal(100)
    expect(outbound.inFlight).to.equal(0)
    outbound.take()
    expect(outbound.size).to.equal(0)
    expect(outbound.inFlight).to.equal(100)
    outbound.noteWritten()
    expect(outbound.inFlight).to.equal(0)
    expect(outbound.appended).to.equal(100)
  })

  for (const bodySize of [20 * KIB, 300 * KIB]) {
    it(`throws when the octets of a body of ${bodySize} are gone: a hole in the stream cannot be filled`, () => {
      const outbound = new Outbound(FRAME_MAX)
      const memory = new ArrayBuffer(bodySize)
      const body = Buffer.from(memory)
      outbound.appendContent(1, encodePublish, publishing('q', body), body)
      structuredClone(memory, { transfer: [memory] })
      expect(() => outbound.take())
        .to.throw(ArgumentError, 'body must stay as it is until its promise settles: its octets are gone')
        .with.property('path', 'body')
    })
  }

  it('forgets everything that was not taken', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(300 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    outbound.append(1, encodeMethodFrame, ack(1))
    outbound.appendContent(2, encodePublish, publishing('q', Buffer.alloc(20 * KIB)), Buffer.alloc(20 * KIB))
    outbound.leadWithHeartbeat()
    outbound.clear()
    expect(outbound.size).to.equal(0)
    expect(outbound.hasJobs).to.equal(false)
    expect(outbound.take()).to.equal(undefined)
    outbound.append(0, payloadOf, Buffer.from('last'))
    expect(takeAll(outbound).map(String)).to.deep.equal(['last'])
  })

  it('clears after a part of a large body is out without breaking the frame that was begun', () => {
    const outbound = new Outbound(FRAME_MAX)
    const body = Buffer.alloc(1024 * KIB)
    outbound.appendContent(1, encodePublish, publishing('q', body), body)
    const first = Buffer.concat(outbound.take() ?? [])
    outbound.clear()
    outbound.append(0, encodeMethodFrame, { name: 'connection.close-ok', args: {} })
    const frames = framesOf(Buffer.concat([first, ...takeAll(outbound)]))
    expect(frames.at(-1)?.channelNumber).to.equal(0)
  })
})
