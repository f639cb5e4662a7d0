import { expect } from 'chai'
import fc from 'fast-check'
import { ByteReader, FrameDecoder, FrameError, FrameType } from '../../src/frames/index.js'
import { type Assembled, ContentAssembler } from '../../src/protocol/content-assembler.js'
import { Violation } from '../../src/protocol/violation.js'
import { octetsAllocated } from '../support/allocations.js'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { hex, toHex } from '../support/hex.js'

const MIB = 1_048_576

const HEADER = hex`02 0001 00000013 003c 0000 0000000000000003 9000 03612f62 02 ce`
const BODY = hex`03 0001 00000003 616263 ce`

/** A header frame that announces so many octets, with these property octets. */
function headerFrame(bodySize: number | bigint, properties = hex`0000`): Buffer {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(bodySize))
  const payload = hex`003c 0000 ${size} ${properties}`
  return hex`02 0001 ${payload.length.toString(16).padStart(8, '0')} ${payload} ce`
}

function bodyFrame(body: Uint8Array): Buffer {
  return hex`03 0001 ${body.length.toString(16).padStart(8, '0')} ${body} ce`
}

/** An assembler behind a decoder, fed with borrowed chunks that are destroyed at once. */
class Reception {
  readonly assembler: ContentAssembler<string>
  readonly assembled: Assembled<string>[] = []
  readonly #decoder = new FrameDecoder()
  readonly #reader = new ByteReader()

  constructor(maxMessageSize = 1000 * MIB) {
    this.assembler = new ContentAssembler(maxMessageSize)
    this.#decoder.frameMax = 2 * MIB
  }

  receive(...chunks: Buffer[]): this {
    for (const chunk of chunks) {
      const borrowed = Buffer.from(chunk)
      this.#decoder.push(borrowed)
      for (let type = this.#decoder.next(); type !== 0; type = this.#decoder.next()) this.#take(type)
      borrowed.fill(0xff)
    }
    return this
  }

  #take(type: FrameType): void {
    const { buffer, start, end, frameComplete } = this.#decoder
    if (type === FrameType.Header) this.#reader.reset(buffer, start, end)
    const assembled =
      type === FrameType.Header
        ? this.assembler.receiveHeader(this.#reader)
        : this.assembler.receiveBody(buffer, start, end, frameComplete)
    if (assembled !== undefined) this.assembled.push(assembled)
  }
}

function replyCodeOf(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    if (error instanceof Violation || error instanceof FrameError) return error.replyCode
    throw error
  }
  return undefined
}

describe('ContentAssembler', () => {
  const streams: readonly (readonly [what: string, stream: Buffer])[] = [
    ['in one body frame', hex`${HEADER} ${BODY}`],
    [
      'in three body frames, one of them empty',
      hex`${HEADER} 03000100000001 61ce 03000100000000ce 030001000000026263ce`,
    ],
    ['with heartbeats between its frames', hex`${HEADER} 08000000000000ce ${BODY}`],
  ]
  for (const [what, stream] of streams) {
    for (const [how, chunks] of [
      ['whole', [stream]],
      ['octet by octet', cut(stream, [1])],
      ['in two halves', cut(stream, [Math.ceil(stream.length / 2)])],
    ] as const) {
      it(`puts a content together that comes ${what}, ${how}`, () => {
        const reception = new Reception()
        reception.assembler.begin('deliver')
        const [assembled, ...more] = reception.receive(...chunks).assembled
        expect(more).to.deep.equal([])
        expect(assembled?.method).to.equal('deliver')
        expect(assembled?.content?.body.toString()).to.equal('abc')
        expect(toHex(assembled?.content?.propertyOctets as Buffer)).to.equal('900003612f6202')
      })
    }
  }

  it('is done at the header when the body is empty', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    reception.receive(headerFrame(0))
    expect(reception.assembled).to.have.length(1)
    expect(reception.assembled[0]?.content?.body).to.have.length(0)
    expect(reception.assembled[0]?.content?.properties).to.deep.equal({})
    reception.assembler.expectIdle()
  })

  /** An assembler that has come to this phase. */
  const inPhase = (phase: 'idle' | 'header' | 'body'): Reception => {
    const reception = new Reception()
    if (phase !== 'idle') reception.assembler.begin('deliver')
    return phase === 'body' ? reception.receive(HEADER) : reception
  }
  const unexpected: readonly (readonly [
    phase: 'idle' | 'header' | 'body',
    act: (reception: Reception) => unknown,
    message: string,
  ])[] = [
    ['header', r => r.assembler.begin('deliver'), 'method frame where a content header was expected'],
    ['body', r => r.assembler.expectIdle(), 'method frame where a content body was expected'],
    ['idle', r => r.receive(HEADER), 'unexpected content header frame'],
    ['body', r => r.receive(HEADER), 'unexpected content header frame'],
    ['idle', r => r.receive(BODY), 'unexpected content body frame'],
    ['header', r => r.receive(BODY), 'unexpected content body frame'],
    [
      'header',
      r => r.receive(hex`02 0001 0000000e 003d 0002 0000000000000000 0000 ce`),
      'content header of class 61, weight 2',
    ],
    ['header', r => r.receive(headerFrame(2n ** 53n)), 'body size beyond 2^53'],
    ['header', r => r.receive(headerFrame(0, hex`0000 00`)), '1 octets after the content properties'],
    ['body', r => r.receive(bodyFrame(Buffer.alloc(4))), 'content body longer than the announced 3 octets'],
    [
      'body',
      // The second is as long as all of the body, and comes whole.
      r => r.receive(bodyFrame(Buffer.alloc(1)), bodyFrame(Buffer.alloc(3))),
      'content body longer than the announced 3 octets',
    ],
  ]
  for (const [phase, act, message] of unexpected) {
    it(`says what is wrong with what comes in the phase ${phase}: ${message}`, () => {
      expect(() => act(inPhase(phase))).to.throw(Error, new RegExp(`^${message.replace('^', '\\^')}$`))
    })
  }

  it('gives the same content however its octets are cut, and goes on with the next', () => {
    const frames = fc.array(octets({ maxLength: 3000 }), { maxLength: 5 })
    fc.assert(
      fc.property(fc.array(frames, { minLength: 1, maxLength: 3 }), chunkSizes, (contents, sizes) => {
        const reception = new Reception()
        for (const pieces of contents) {
          const body = Buffer.concat(pieces)
          // What follows the last octet of a body belongs to no content.
          const framesOfBody = body.length === 0 ? [] : pieces.slice(0, lastNotEmpty(pieces) + 1)
          const stream = Buffer.concat([headerFrame(body.length), ...framesOfBody.map(bodyFrame)])
          reception.assembler.begin('deliver')
          reception.receive(...cut(stream, sizes))
          reception.assembler.expectIdle()
          expect(reception.assembled.pop()?.content?.body.equals(body)).to.equal(true)
        }
        expect(reception.assembled).to.deep.equal([])
      }),
    )
  })

  it('gives every content its own properties, also when they are those of the one before', () => {
    const reception = new Reception()
    const [first, second] = [hex`9000 03612f62 02`, hex`9000 03612f63 02`]
    for (const properties of [first, first, hex`0000`, second, first, second, second]) {
      reception.assembler.begin('deliver')
      reception.receive(headerFrame(0, properties))
    }
    const types = reception.assembled.map(({ content }) => content?.properties.contentType)
    expect(types).to.deep.equal(['a/b', 'a/b', undefined, 'a/c', 'a/b', 'a/c', 'a/c'])
  })

  it('does not end before the frame-end of its last body frame was seen', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    reception.receive(HEADER, BODY.subarray(0, -1))
    expect(reception.assembled).to.deep.equal([])
    reception.receive(BODY.subarray(-1))
    expect(reception.assembled).to.have.length(1)
  })

  it('refuses a method frame where a header or a body is expected with 505', () => {
    const { assembler } = new Reception()
    assembler.begin('deliver')
    expect(replyCodeOf(() => assembler.expectIdle())).to.equal(505)
    expect(replyCodeOf(() => assembler.begin('deliver'))).to.equal(505)
    const reception = new Reception()
    reception.assembler.begin('deliver')
    reception.receive(HEADER)
    expect(replyCodeOf(() => reception.assembler.expectIdle())).to.equal(505)
  })

  it('refuses a header without a method, a body without a header, and a second header with 505', () => {
    expect(replyCodeOf(() => new Reception().receive(headerFrame(0)))).to.equal(505)
    expect(replyCodeOf(() => new Reception().receive(BODY))).to.equal(505)
    const begun = new Reception()
    begun.assembler.begin('deliver')
    expect(replyCodeOf(() => begun.receive(BODY))).to.equal(505)
    begun.receive(HEADER)
    expect(replyCodeOf(() => begun.receive(HEADER))).to.equal(505)
  })

  it('refuses a body frame behind an empty body with 505, as RabbitMQ does', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    reception.receive(headerFrame(0))
    expect(replyCodeOf(() => reception.receive(bodyFrame(Buffer.alloc(0))))).to.equal(505)
  })

  for (const [what, payload] of [
    ['another class', hex`003d 0000 0000000000000000 0000`],
    ['a weight', hex`003c 0001 0000000000000000 0000`],
  ] as const) {
    it(`refuses a header of ${what} with 505`, () => {
      const { assembler } = new Reception()
      assembler.begin('deliver')
      const reader = new ByteReader()
      reader.reset(payload)
      expect(replyCodeOf(() => assembler.receiveHeader(reader))).to.equal(505)
    })
  }

  it('refuses more body than was announced with 501, at the first octet too many', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    reception.receive(HEADER, hex`03 0001 00000004 616263`)
    expect(replyCodeOf(() => reception.receive(hex`64`))).to.equal(501)
  })

  it('refuses a header that ends too soon, or is too long, with 501', () => {
    for (const payload of [hex`003c 0000 00000000`, hex`003c 0000 0000000000000000 0000 00`, hex`003c`]) {
      const { assembler } = new Reception()
      assembler.begin('deliver')
      const reader = new ByteReader()
      reader.reset(payload)
      expect(replyCodeOf(() => assembler.receiveHeader(reader))).to.equal(501)
    }
  })

  it('refuses an unknown field type in the headers with 502', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    const broken = headerFrame(0, hex`2000 00000004 016b 5a 00`)
    expect(replyCodeOf(() => reception.receive(broken))).to.equal(502)
  })

  it('refuses a body size that a number cannot hold with 501', () => {
    const reception = new Reception()
    reception.assembler.begin('deliver')
    expect(replyCodeOf(() => reception.receive(headerFrame(2n ** 53n)))).to.equal(501)
  })

  it('skips a body above the limit and says so by the missing content, with the next content intact', () => {
    const reception = new Reception(100)
    reception.assembler.begin('large')
    reception.receive(headerFrame(101), bodyFrame(Buffer.alloc(60)), bodyFrame(Buffer.alloc(41)))
    expect(reception.assembled).to.deep.equal([{ method: 'large', content: undefined }])
    reception.assembler.begin('small')
    reception.receive(headerFrame(100), bodyFrame(Buffer.alloc(100, 7)))
    expect(reception.assembled[1]?.method).to.equal('small')
    expect(reception.assembled[1]?.content?.body).to.deep.equal(Buffer.alloc(100, 7))
  })

  /** What it asks for at the header, and at each piece of the body. */
  const allocations = (
    bodySize: number,
    pieces: readonly Buffer[],
  ): { asked: number[]; body: Buffer | undefined } => {
    const assembler = new ContentAssembler<string>(2 ** 50)
    const reader = new ByteReader()
    const header = hex`003c 0000 ${bodySize.toString(16).padStart(16, '0')} 0000`
    let body: Buffer | undefined
    const asked = [header, ...pieces].map(octetsOfFrame =>
      octetsAllocated(() => {
        if (octetsOfFrame !== header) {
          body = assembler.receiveBody(octetsOfFrame, 0, octetsOfFrame.length, true)?.content?.body
          return
        }
        assembler.begin('deliver')
        reader.reset(header)
        assembler.receiveHeader(reader)
      }),
    )
    return { asked, body }
  }

  it('takes a mebibyte on the word of the peer, and then four times what has come', () => {
    const [mebibyte, octet] = [Buffer.alloc(MIB), Buffer.alloc(1)]
    expect(allocations(2 ** 49, [octet]).asked).to.deep.equal([0, MIB])
    expect(allocations(2 ** 49, [mebibyte, octet, mebibyte]).asked).to.deep.equal([0, MIB, 4 * MIB, 0])
    expect(allocations(2 ** 49, [Buffer.alloc(5 * MIB)]).asked).to.deep.equal([0, 5 * MIB])
  })

  it('gives a body of any size in one buffer that is no larger', () => {
    for (const pieces of [[10], [MIB], [MIB, 1], [MIB, 2 * MIB, 17], [MIB, MIB, MIB, MIB, MIB, 17]]) {
      const body = Buffer.alloc(
        pieces.reduce((sum, size) => sum + size),
        'thump',
      )
      const received = allocations(body.length, cut(body, pieces)).body
      expect(received?.equals(body), `${pieces}`).to.equal(true)
      if (body.length > MIB) expect(received?.buffer.byteLength).to.equal(body.length)
    }
  })

  it('asks for no memory for a body above the limit, and none for properties that came before', () => {
    const { assembler } = new Reception(100)
    const reader = new ByteReader()
    const body = Buffer.alloc(60)
    const receive = (header: Buffer): number =>
      octetsAllocated(() => {
        assembler.begin('deliver')
        reader.reset(header)
        assembler.receiveHeader(reader)
        assembler.receiveBody(body, 0, 60, true)
        assembler.receiveBody(body, 0, 60, true)
        assembler.expectIdle()
      })
    const without = hex`003c 0000 0000000000000078 0000`
    const typed = hex`003c 0000 0000000000000078 8000 03612f62`
    expect([without, typed, typed, without, without].map(receive)).to.deep.equal([0, 6, 0, 2, 0])
  })
})

function lastNotEmpty(pieces: readonly Buffer[]): number {
  return pieces.findLastIndex(piece => piece.length > 0)
}
