import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader, FrameDecoder, FrameError, FrameType } from '../../src/frames/index.js'
import { type Assembled, ContentAssembler } from '../../src/protocol/content-assembler.js'
import { Violation } from '../../src/protocol/violation.js'
import { octetsAllocated } from '../support/allocations.js'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'
import { expectLinear } from '../support/linear.js'
import { runs } from '../support/runs.js'

const MIB = 1_048_576
const MAX_MESSAGE_SIZE = 4000

/** What a peer sends on the channel, in an order of its own. */
type Part =
  | { readonly kind: 'method' }
  | { readonly kind: 'header'; readonly bodySize: bigint; readonly properties: Buffer }
  | { readonly kind: 'body'; readonly body: Buffer }

function frame(type: number, payload: Buffer): Buffer {
  return hex`0${String(type)} 0001 ${payload.length.toString(16).padStart(8, '0')} ${payload} ce`
}

function octetsOf(part: Part): Buffer {
  if (part.kind === 'method') return frame(1, hex`003c003c`)
  if (part.kind === 'body') return frame(3, part.body)
  return frame(2, hex`003c 0000 ${part.bodySize.toString(16).padStart(16, '0')} ${part.properties}`)
}

/** Puts contents together out of borrowed chunks, which are destroyed at once. Their methods are numbered. */
function* assembled(chunks: readonly Buffer[], maxMessageSize: number): Generator<Assembled<number>> {
  const assembler = new ContentAssembler<number>(maxMessageSize)
  const decoder = new FrameDecoder()
  decoder.frameMax = 131_072
  const reader = new ByteReader()
  let methods = 0
  for (const chunk of chunks) {
    const borrowed = Buffer.from(chunk)
    decoder.push(borrowed)
    for (let type = decoder.next(); type !== 0; type = decoder.next()) {
      const { buffer, start, end, frameComplete } = decoder
      reader.reset(buffer, start, end)
      let content: Assembled<number> | undefined
      if (type === FrameType.Method) assembler.begin(++methods)
      else if (type === FrameType.Header) content = assembler.receiveHeader(reader)
      else content = assembler.receiveBody(buffer, start, end, frameComplete)
      if (content !== undefined) yield content
    }
    borrowed.fill(0xff)
  }
}

/** What comes of it, one line for each content, and a last one for what is refused. */
function assemble(chunks: readonly Buffer[]): string[] {
  const lines: string[] = []
  try {
    for (const { method, content } of assembled(chunks, MAX_MESSAGE_SIZE)) lines.push(lineOf(method, content))
  } catch (error) {
    if (!(error instanceof FrameError) && !(error instanceof Violation)) throw error
    lines.push(`refused: ${error.replyCode}`)
  }
  return lines
}

function lineOf(method: number, content: { propertyOctets: Buffer; body: Buffer } | undefined): string {
  if (content === undefined) return `${method}: too large`
  return `${method}: ${toHex(content.propertyOctets)} ${toHex(content.body)}`
}

/** What should come of it, told from the parts. */
function expectedOf(parts: readonly Part[]): string[] {
  const lines: string[] = []
  let methods = 0
  let header: Extract<Part, { kind: 'header' }> | undefined
  let isBegun = false
  let body = Buffer.alloc(0)
  for (const part of parts) {
    if (part.kind === 'method') {
      if (isBegun) return [...lines, 'refused: 505']
      methods++
      isBegun = true
      continue
    }
    if (part.kind === 'header') {
      if (!isBegun || header !== undefined) return [...lines, 'refused: 505']
      if (part.bodySize >= 2n ** 53n) return [...lines, 'refused: 501']
      header = part
      body = Buffer.alloc(0)
    } else {
      if (header === undefined) return [...lines, 'refused: 505']
      body = Buffer.concat([body, part.body])
      if (body.length > header.bodySize) return [...lines, 'refused: 501']
    }
    const isTooLarge = header.bodySize > MAX_MESSAGE_SIZE
    if (isTooLarge && part.kind === 'header') lines.push(lineOf(methods, undefined))
    if (BigInt(body.length) < header.bodySize) continue
    if (!isTooLarge) lines.push(lineOf(methods, { propertyOctets: header.properties, body }))
    header = undefined
    isBegun = false
  }
  return lines
}

const properties = fc.constantFrom(hex`0000`, hex`9000 03612f62 02`, hex`9000 03612f63 02`)
const method = fc.constant<Part>({ kind: 'method' })

/** A content that is right, its body in any number of frames, none of them behind its last octet. */
const content: fc.Arbitrary<Part[]> = fc
  .tuple(properties, fc.array(octets({ maxLength: 2500 }), { maxLength: 4 }))
  .map(([ofContent, pieces]) => {
    const last = pieces.findLastIndex(piece => piece.length > 0)
    const bodies = pieces.slice(0, last + 1)
    const bodySize = BigInt(Buffer.concat(bodies).length)
    const header: Part = { kind: 'header', bodySize, properties: ofContent }
    return [{ kind: 'method' }, header, ...bodies.map((body): Part => ({ kind: 'body', body }))]
  })

/** One part that may stand where it does not belong, and lie about the size. */
const stray: fc.Arbitrary<Part[]> = fc
  .oneof(
    method,
    fc.record({
      kind: fc.constant('header' as const),
      bodySize: fc.oneof(fc.bigInt({ min: 0n, max: 6000n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      properties,
    }),
    fc.record({ kind: fc.constant('body' as const), body: octets({ maxLength: 2500 }) }),
  )
  .map(part => [part])

const conversation = fc
  .array(fc.oneof({ weight: 5, arbitrary: content }, { weight: 1, arbitrary: stray }), { maxLength: 6 })
  .map(parts => parts.flat())

describe('ContentAssembler, whatever stands where,', () => {
  it('makes of it what the specification says, however the octets are cut', () => {
    fc.assert(
      fc.property(conversation, chunkSizes, (parts, sizes) => {
        const stream = Buffer.concat(parts.map(octetsOf))
        const expected = expectedOf(parts)
        expect(assemble([stream])).to.deep.equal(expected)
        expect(assemble(cut(stream, sizes))).to.deep.equal(expected)
      }),
      runs(300),
    )
  })

  it('asks for a mebibyte on the word of the peer, and beyond it for a few times what has come', () => {
    const announced = fc.oneof(fc.nat(100), fc.nat(4 * MIB), fc.maxSafeNat())
    fc.assert(
      fc.property(announced, fc.nat(8), (bodySize, frames) => {
        const assembler = new ContentAssembler<string>(Number.MAX_SAFE_INTEGER)
        const reader = new ByteReader()
        const body = Buffer.alloc(512 * 1024)
        const header = hex`003c 0000 ${bodySize.toString(16).padStart(16, '0')} 0000`
        let received = 0
        const allocated = octetsAllocated(() => {
          assembler.begin('deliver')
          reader.reset(header)
          if (assembler.receiveHeader(reader) !== undefined) return
          for (let count = 0; count < frames && received < bodySize; count++) {
            const size = Math.min(body.length, bodySize - received)
            received += size
            assembler.receiveBody(body, 0, size, true)
          }
        })
        // All it ever asked for: of 1, 4 and 16 MiB the last is kept.
        expect(allocated).to.be.at.most(Math.min(bodySize, MIB) + (received > MIB ? 6 * received : 0))
      }),
      runs(60),
    )
  })

  const bodies: readonly (readonly [what: string, size: number, frameSize: number, chunkSize: number])[] = [
    ['in frames of one octet', 3_000, 1, 65_536],
    ['octet by octet', 6_000, 100_000, 1],
    ['that is larger than what is reserved at first', 1.25 * MIB, 4088, 65_536],
  ]
  for (const [what, smallest, frameSize, chunkSize] of bodies) {
    it(`takes time in proportion to the octets of a body ${what}`, () => {
      expectLinear(what, smallest, size => {
        const header = octetsOf({ kind: 'header', bodySize: BigInt(size), properties: hex`0000` })
        const frames = cut(Buffer.alloc(size), [frameSize]).map(body => octetsOf({ kind: 'body', body }))
        const chunks = cut(Buffer.concat([octetsOf({ kind: 'method' }), header, ...frames]), [chunkSize])
        return () => expect([...assembled(chunks, size)]).to.have.length(1)
      })
    })
  }
})
