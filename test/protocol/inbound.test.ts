import { expect } from 'chai'
import fc from 'fast-check'
import { FrameError, type WholeContent } from '../../src/frames/index.js'
import { type FrameSink, Inbound } from '../../src/protocol/inbound.js'
import { Violation } from '../../src/protocol/violation.js'
import { chunkSizes, cut, octets } from '../support/arbitraries.js'
import { captureNames, loadCapture } from '../support/captures.js'
import { hex, toHex } from '../support/hex.js'
import { runs } from '../support/runs.js'

const HEARTBEAT = hex`08 0000 00000000 ce`
const OPEN_OK = hex`01 0000 00000005 000a0029 00 ce`
const DELIVERY = hex`01 0001 00000013 003c003c 0174 0000000000000001 00 00 026431 ce
  02 0001 00000013 003c 0000 0000000000000003 9000 03612f62 02 ce 03 0001 00000003 616263 ce`

/** Writes down what comes. */
class Log implements FrameSink {
  reads = true
  takesWhole = false
  readonly lines: string[] = []
  #body: Buffer[] = []

  receiveWhole(chunk: Buffer, { channelNumber, bodyStart, bodyEnd }: WholeContent): boolean {
    if (this.takesWhole)
      this.lines.push(`${channelNumber} whole ${chunk.toString('latin1', bodyStart, bodyEnd)}`)
    return this.takesWhole
  }

  receiveMethod(channelNumber: number, method: { name: string; args: object }): void {
    this.lines.push(`${channelNumber} ${method.name} ${JSON.stringify(method.args)}`)
  }

  receiveHeader(channelNumber: number, payload: Parameters<FrameSink['receiveHeader']>[1]): void {
    this.lines.push(`${channelNumber} header of ${payload.remaining}`)
  }

  placeFor(): undefined {}

  receiveBody(
    channelNumber: number,
    buffer: Buffer,
    start: number,
    end: number,
    frameComplete: boolean,
  ): void {
    this.#body.push(Buffer.from(buffer.subarray(start, end)))
    if (!frameComplete) return
    this.lines.push(`${channelNumber} body ${toHex(Buffer.concat(this.#body))}`)
    this.#body = []
  }
}

function receive(
  chunks: readonly Buffer[],
  frameMax = 131_072,
): { log: Log; inbound: Inbound; error: unknown } {
  const log = new Log()
  const inbound = new Inbound(log)
  inbound.frameMax = frameMax
  let error: unknown
  try {
    for (const chunk of chunks) {
      const borrowed = Buffer.from(chunk)
      inbound.receive(borrowed)
      borrowed.fill(0xff)
    }
  } catch (thrown) {
    error = thrown
  }
  return { log, inbound, error }
}

describe('Inbound', () => {
  it('hands methods, headers and bodies on, and heartbeats not', () => {
    const { log, inbound } = receive([OPEN_OK, HEARTBEAT, DELIVERY, HEARTBEAT])
    expect(log.lines).to.deep.equal([
      '0 connection.open-ok {}',
      '1 basic.deliver {"consumerTag":"t","deliveryTag":1,"redelivered":false,"exchange":"","routingKey":"d1"}',
      '1 header of 19',
      '1 body 616263',
    ])
    expect(inbound.frames).to.equal(6)
    expect(inbound.heartbeats).to.equal(2)
    expect(inbound.octets).to.equal(OPEN_OK.length + DELIVERY.length + 2 * HEARTBEAT.length)
    expect(inbound.midFrame).to.equal(false)
  })

  it('hands the same on however the octets are cut', () => {
    const stream = Buffer.concat([OPEN_OK, HEARTBEAT, DELIVERY, OPEN_OK, DELIVERY])
    const whole = receive([stream]).log.lines
    fc.assert(
      fc.property(chunkSizes, sizes => {
        expect(receive(cut(stream, sizes)).log.lines).to.deep.equal(whole)
      }),
    )
    expect(receive(cut(stream, [1])).log.lines).to.deep.equal(whole)
  })

  it('reads all that RabbitMQ sent, in every capture', () => {
    for (const name of captureNames()) {
      const { received } = loadCapture(name)
      const { error, inbound } = receive([received])
      expect(error, name).to.equal(undefined)
      expect(inbound.midFrame, name).to.equal(false)
    }
  })

  it('tells whether the octets end inside a frame', () => {
    const { inbound } = receive([OPEN_OK.subarray(0, 3)])
    expect(inbound.midFrame).to.equal(true)
    expect(inbound.frames).to.equal(0)
  })

  it('waits for eight octets of a peer that does not begin with a method frame', () => {
    const log = new Log()
    const inbound = new Inbound(log)
    expect(inbound.greeting).to.deep.equal(Buffer.alloc(0))
    for (const octet of hex`414d5150030100`) {
      inbound.receive(Buffer.of(octet))
      expect(inbound.isForeign).to.equal(false)
    }
    expect(inbound.greeting).to.deep.equal(hex`414d5150030100`)
    inbound.receive(hex`00 ffff`)
    expect(inbound.isForeign).to.equal(true)
    expect(inbound.greeting).to.deep.equal(hex`414d515003010000`)
    expect(log.lines).to.deep.equal([])
  })

  it('takes nothing for a greeting once a method frame has begun', () => {
    const { inbound, error } = receive([hex`01`, hex`00`, hex`41 4d 51 50`])
    expect([inbound.greeting, inbound.isForeign]).to.deep.equal([undefined, false])
    expect(error).to.equal(undefined)
    expect(receive([hex``, hex``, OPEN_OK]).log.lines).to.have.length(1)
  })

  it('refuses frames above frameMax, before their payload comes', () => {
    const { error } = receive([OPEN_OK, hex`03 0001 00001ff9`], 8192)
    expect(error).to.be.instanceOf(FrameError).with.property('replyCode', 501)
    expect(receive([OPEN_OK, hex`03 0001 00001ff8`], 8192).error).to.equal(undefined)
  })

  it('refuses a method that cannot be decoded', () => {
    const { error } = receive([OPEN_OK, hex`01 0001 00000004 00630001 ce`])
    expect(error).to.be.instanceOf(Violation).with.property('replyCode', 540)
  })

  it('offers a content that comes whole first, and goes on behind it when it is taken', () => {
    const log = new Log()
    log.takesWhole = true
    const inbound = new Inbound(log)
    inbound.receive(Buffer.concat([OPEN_OK, DELIVERY, HEARTBEAT, DELIVERY]))
    expect(log.lines.slice(1)).to.deep.equal(['1 whole abc', '1 whole abc'])
    expect([inbound.frames, inbound.heartbeats, inbound.midFrame]).to.deep.equal([8, 1, false])
    inbound.receive(DELIVERY.subarray(0, 3))
    inbound.receive(DELIVERY.subarray(3))
    expect(log.lines).to.have.length(6)
  })

  it('stops in the middle of a chunk when nothing more is to be read', () => {
    const log = new Log()
    const inbound = new Inbound({
      get reads() {
        return log.lines.length < 1
      },
      receiveWhole: (...parameters) => log.receiveWhole(...parameters),
      receiveMethod: (channelNumber, method) => log.receiveMethod(channelNumber, method),
      receiveHeader: (channelNumber, payload) => log.receiveHeader(channelNumber, payload),
      receiveBody: (...parameters) => log.receiveBody(...parameters),
      placeFor: () => undefined,
    })
    inbound.receive(Buffer.concat([OPEN_OK, DELIVERY]))
    expect(log.lines).to.deep.equal(['0 connection.open-ok {}'])
  })

  it('throws nothing but what tells the peer its mistake, whatever comes', () => {
    fc.assert(
      fc.property(octets({ maxLength: 60 }), octets({ maxLength: 60 }), (before, after) => {
        const { error } = receive([OPEN_OK, before, after])
        if (error !== undefined && !(error instanceof Violation)) expect(error).to.be.instanceOf(FrameError)
      }),
      runs(300),
    )
  })
})
