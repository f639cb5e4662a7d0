import { expect } from 'chai'
import fc from 'fast-check'
import { ArgumentError, ByteWriter } from '../../src/frames/index.js'
import { cutReplyText, ReplyCode, replyCodeName } from '../../src/protocol/reply-codes.js'

/** Section 1.2 of the class reference. */
const NAMES: readonly (readonly [code: number, name: string])[] = [
  [200, 'REPLY_SUCCESS'],
  [311, 'CONTENT_TOO_LARGE'],
  [312, 'NO_ROUTE'],
  [313, 'NO_CONSUMERS'],
  [320, 'CONNECTION_FORCED'],
  [402, 'INVALID_PATH'],
  [403, 'ACCESS_REFUSED'],
  [404, 'NOT_FOUND'],
  [405, 'RESOURCE_LOCKED'],
  [406, 'PRECONDITION_FAILED'],
  [501, 'FRAME_ERROR'],
  [502, 'SYNTAX_ERROR'],
  [503, 'COMMAND_INVALID'],
  [504, 'CHANNEL_ERROR'],
  [505, 'UNEXPECTED_FRAME'],
  [506, 'RESOURCE_ERROR'],
  [530, 'NOT_ALLOWED'],
  [540, 'NOT_IMPLEMENTED'],
  [541, 'INTERNAL_ERROR'],
]

describe('reply codes', () => {
  for (const [code, name] of NAMES) {
    it(`have ${code} named ${name}`, () => {
      expect(replyCodeName(code)).to.equal(name)
    })
  }

  it('are those of the specification and cannot be changed', () => {
    expect(Object.values(ReplyCode)).to.have.members(NAMES.map(([code]) => code))
    expect(Object.isFrozen(ReplyCode)).to.equal(true)
  })

  it('that are unknown are named by their number', () => {
    expect(replyCodeName(599)).to.equal('REPLY_CODE_599')
  })
})

describe('cutReplyText', () => {
  it('leaves a short text as it is', () => {
    expect(cutReplyText('no reply within 20000 ms')).to.equal('no reply within 20000 ms')
  })

  it('cuts no character in two', () => {
    const text = `${'x'.repeat(79)}\u{1f407}`
    const writer = new ByteWriter()
    expect(() => writer.shortstr(text.slice(0, 80)), 'half a rabbit').to.throw(ArgumentError)
    expect(cutReplyText(text)).to.equal(`${'x'.repeat(79)}\ufffd`)
  })

  it('makes a short string of any text', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
    fc.assert(
      fc.property(units, codes => {
        const cut = cutReplyText(String.fromCharCode(...codes))
        new ByteWriter().shortstr(cut)
        expect(cut.length).to.equal(Math.min(codes.length, 80))
      }),
    )
  })
})
