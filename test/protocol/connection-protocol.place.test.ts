// Octets of large bodies that are put where they belong before they are received, as a socket does that reads into the place
// it is told. However that goes, it must come to the same as octets that were lent.

import { expect } from 'chai'
import fc from 'fast-check'
import { octetsAllocated } from '../support/allocations.js'
import { hex } from '../support/hex.js'
import { PeerCodec } from '../support/peer/peer-codec.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'
import { runs } from '../support/runs.js'

const KIB = 1024
const READ_SIZE = 64 * KIB

/** Of the octets of one message, those that were put in place, and where each read went. */
interface Reading {
  readonly placed: number
  readonly reads: readonly number[]
}

describe('ConnectionProtocol, the place of the octets that come next', () => {
  function opened(maxMessageSize = 16 * KIB * KIB): ProtocolPair {
    const pair = ProtocolPair.opened({ limits: { maxMessageSize } })
    const channel = pair.openChannel()
    pair.consume(channel, { consumerTag: 'c', noAck: true })
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 'c' } })
    pair.openChannel()
    pair.forget()
    return pair
  }

  function delivery(body: Buffer, deliveryTag = 1, frameMax = 128 * KIB): Buffer {
    const codec = new PeerCodec()
    codec.frameMax = frameMax
    const args = { consumerTag: 'c', deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
    return codec.content(1, { name: 'basic.deliver', args }, body, { messageId: String(deliveryTag) })
  }

  /** A body in which every stretch is different. */
  function bodyOf(size: number, seed: number): Buffer {
    const body = Buffer.alloc(size)
    for (let index = 0; index < size; index++) body[index] = (index * 31 + (index >> 8) * 7 + seed) & 0xff
    return body
  }

  /** Reads as a socket does that is told the place each time; what it lends otherwise is destroyed. */
  function read(pair: ProtocolPair, octets: Buffer, sizes: readonly number[] = [READ_SIZE]): Reading {
    const shared = Buffer.alloc(READ_SIZE)
    const reads: number[] = []
    let placed = 0
    for (let at = 0; at < octets.length; ) {
      const { place } = pair.protocol
      const into = place ?? shared
      // Where there is a place, more may come at once than a buffer holds.
      const most = (sizes[reads.length % sizes.length] as number) * (place === undefined ? 1 : 16)
      const size = Math.min(into.length, most, octets.length - at)
      octets.copy(into, 0, at, at + size)
      pair.sendOctets(into.subarray(0, size))
      if (place === undefined) shared.fill(0xee)
      else placed += size
      reads.push(size)
      at += size
    }
    return { placed, reads }
  }

  /** What was told, in words. */
  function told(pair: ProtocolPair): string[] {
    return pair.events.map(event => {
      if (event.type === 'delivered') {
        const { content, deliveryTag } = event.delivery
        return `${deliveryTag} ${content.properties.messageId} ${content.body.toString('base64')}`
      }
      return event.type === 'closed' ? `closed ${event.reason.code} ${event.reason.text}` : event.type
    })
  }

  it('is in the body itself from half a read on; a body of 1 MiB is copied in its first read only', () => {
    const pair = opened()
    const body = bodyOf(1024 * KIB, 1)
    const octets = delivery(body)
    const copied = octetsAllocated(() => {
      const { placed, reads } = read(pair, octets)
      // Behind the first read each frame takes two: what is left of it, and what stands between it and the next.
      expect(placed).to.be.above(octets.length - READ_SIZE - 200)
      expect(reads[0]).to.equal(READ_SIZE)
      expect(reads[1]).to.be.within(READ_SIZE, READ_SIZE + 200)
      expect(reads.slice(2, 6)).to.deep.equal([8, 128 * KIB - 8, 8, 128 * KIB - 8])
    })
    expect(told(pair)).to.deep.equal([`1 1 ${body.toString('base64')}`])
    expect(copied).to.be.below(1024 * KIB + 300)
  })

  it('is nowhere in particular outside of a large body', () => {
    const pair = opened()
    expect(pair.protocol.place).to.equal(undefined)
    const octets = delivery(bodyOf(100 * KIB, 1))
    pair.sendOctets(octets.subarray(0, 20))
    expect(pair.protocol.place, 'in the method').to.equal(undefined)
    pair.sendOctets(octets.subarray(20, 200))
    const { place } = pair.protocol
    expect(place?.length).to.be.within(99 * KIB, 100 * KIB)
    pair.sendOctets(octets.subarray(200, 80 * KIB))
    expect(pair.protocol.place, 'too little is left').to.equal(undefined)
    pair.sendOctets(octets.subarray(80 * KIB))
    expect(told(pair)).to.have.lengthOf(1)
    expect(pair.protocol.place).to.equal(undefined)
  })

  it('never lies in a body that was delivered', () => {
    const pair = opened()
    const bodies = Array.from({ length: 12 }, (_, index) => bodyOf(40 * KIB * (1 + (index % 5)), index))
    read(pair, Buffer.concat(bodies.map((body, index) => delivery(body, index + 1))))
    expect(told(pair)).to.deep.equal(
      bodies.map((body, index) => `${index + 1} ${index + 1} ${body.toString('base64')}`),
    )
  })

  it('is offered behind a large body for another like it, which stays there', () => {
    const pair = opened()
    const bodies = Array.from({ length: 20 }, (_, index) => bodyOf(64 * KIB, index))
    const octets = Buffer.concat(bodies.map((body, index) => delivery(body, index + 1)))
    // A read that ends with the octets of a body is what begins it.
    pair.sendOctets(octets.subarray(0, 20 * KIB))
    const { placed, reads } = read(pair, octets.subarray(20 * KIB))
    const received = pair.eventsOf('delivered').map(({ delivery: { content } }) => content.body)
    expect(received.every((body, index) => body.equals(bodies[index] as Buffer))).to.equal(true)
    // All goes where it belongs, in one read for each body.
    expect(placed).to.equal(octets.length - 20 * KIB)
    expect(reads.length).to.be.within(20, 22)
    expect(new Set(received.map(({ buffer }) => buffer)).size, 'no two in one memory').to.equal(20)
    for (const { buffer } of received.slice(1)) expect(buffer.byteLength).to.be.within(64 * KIB, 65 * KIB)
    expect(pair.protocol.place).to.equal(undefined)
  })

  it('is offered for no more than 128 KiB, and only as long as the frame-end is missing', () => {
    for (const [size, offered] of [
      [32 * KIB - 1, undefined],
      [32 * KIB, 33 * KIB],
      [128 * KIB, 129 * KIB],
      [128 * KIB + 1, undefined],
    ] as const) {
      const pair = opened()
      const octets = delivery(bodyOf(size, 1))
      pair.sendOctets(octets.subarray(0, octets.length - 1))
      expect(pair.protocol.place?.length, `${size} octets`).to.equal(offered)
      pair.sendOctets(octets.subarray(octets.length - 1))
      expect(pair.protocol.place).to.equal(undefined)
    }
  })

  it('comes to the same as octets that are lent, for bodies, frames and reads of any size', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 400 * KIB }))
    const message = fc.record({ size, frameMax: fc.constantFrom(8 * KIB, 40 * KIB, 100_001, 128 * KIB) })
    const sizes = fc.array(fc.integer({ min: 1, max: READ_SIZE }), { minLength: 1, maxLength: 5 })
    const wrong = fc.option(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }))
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 4 }),
        sizes,
        wrong,
        (messages, readSizes, at) => {
          const octets = Buffer.concat(
            messages.map(each =>
              delivery(bodyOf(each.size, each.size), messages.indexOf(each) + 1, each.frameMax),
            ),
          )
          if (at !== null) octets[Math.floor(at * octets.length)] = 0xaa
          const [lent, placed] = [opened(), opened()]
          lent.sendOctets(octets)
          // A read of few octets takes all day.
          read(
            placed,
            octets,
            readSizes.map(each => Math.max(each, Math.ceil(octets.length / 500))),
          )
          expect(told(placed)).to.deep.equal(told(lent))
          // What comes behind the mistake is not counted any more.
          if (lent.protocol.state !== 'closed')
            expect(placed.protocol.counts).to.deep.equal(lent.protocol.counts)
        },
      ),
      runs(40),
    )
  })

  it('grows with what has come: nothing is reserved on the word of a header', () => {
    const pair = opened()
    const octets = delivery(bodyOf(8 * 1024 * KIB, 1))
    pair.sendOctets(octets.subarray(0, 200))
    expect(pair.protocol.place?.length).to.be.below(128 * KIB)
    const { reads } = read(pair, octets.subarray(200))
    expect(Math.max(...reads)).to.be.at.most(128 * KIB)
    expect(told(pair)).to.have.lengthOf(1)
  })

  it('is nowhere for a body that is skipped, and none of it is kept', () => {
    const pair = opened(100 * KIB)
    const { placed } = read(pair, delivery(bodyOf(500 * KIB, 1)))
    expect(placed).to.equal(0)
    expect(pair.eventsOf('channelClosed')).to.have.lengthOf(1)
    expect(pair.eventsOf('delivered')).to.have.lengthOf(0)
  })

  it('is nowhere once the connection is closing, or the stream is broken', () => {
    const octets = delivery(bodyOf(500 * KIB, 1)).subarray(0, 80 * KIB)
    const [closing, broken] = [opened(), opened()]
    for (const pair of [closing, broken]) {
      pair.sendOctets(octets)
      expect(pair.protocol.place).to.not.equal(undefined)
    }
    closing.run(() => closing.protocol.close(closing.now))
    expect(closing.protocol.place).to.equal(undefined)
    const { place } = broken.protocol
    expect(place?.length).to.be.within(47 * KIB, 49 * KIB)
    broken.sendOctets(Buffer.alloc(place?.length ?? 0))
    broken.sendOctets(hex`aa`)
    expect(broken.protocol.place).to.equal(undefined)
    expect(told(broken).at(-1)).to.match(/^closed 501 .*frame-end/)
  })
})
