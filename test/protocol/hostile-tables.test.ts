// Tables as weapons: nested without end, with a hundred thousand fields, with the names of things that JavaScript knows. Each
// stands where a server can put a table: in its properties, in an argument, in the headers of a message.

import { expect } from 'chai'
import type { FieldTable } from '../../src/frames/index.js'
import { expectLinear } from '../support/linear.js'
import type { ProtocolPair } from '../support/peer/protocol-pair.js'
import {
  CONSUMER_TAG,
  consuming,
  contentHeader,
  deliverFrame,
  expectRefused,
  expectRefusedInHandshake,
  frame,
  handshaking,
  headersOnly,
  nested,
} from './hostile-octets.js'

const MIB = 1024 * 1024

function tableOf(fields: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(fields.length)
  return Buffer.concat([size, fields])
}

/** A field whose value is an octet. */
function octetField(name: Buffer, value: number): Buffer {
  return Buffer.concat([Buffer.from([name.length]), name, Buffer.from('B'), Buffer.from([value])])
}

/** Connection.Start with these server properties. */
function startWith(table: Buffer): Buffer {
  const mechanisms = Buffer.from([0, 0, 0, 5, ...Buffer.from('PLAIN'), 0, 0, 0, 5, ...Buffer.from('en_US')])
  return frame(1, 0, Buffer.concat([Buffer.from([0, 10, 0, 10, 0, 9]), table, mechanisms]))
}

/** queue.declare, which is not for a server to send, with this table as its arguments. */
function declareWith(table: Buffer): Buffer {
  return frame(1, 1, Buffer.concat([Buffer.from([0, 50, 0, 10, 0, 0, 0, 0]), table]))
}

/** Delivers an empty message whose headers are this table. */
function deliver(pair: ProtocolPair, table: Buffer): void {
  pair.sendOctets(Buffer.concat([deliverFrame(pair), contentHeader(1, 0, headersOnly(table))]))
}

function headersIn(pair: ProtocolPair): FieldTable {
  const delivered = pair.eventsOf('delivered')
  expect(delivered).to.have.length(1)
  return delivered[0]?.delivery.content.properties.headers as FieldTable
}

function depthOf(value: unknown): number {
  let depth = 0
  for (let inner = value; typeof inner === 'object' && inner !== null; inner = Object.values(inner)[0])
    depth++
  return depth
}

describe('tables that are nested', () => {
  for (const kind of ['tables', 'arrays'] as const) {
    it(`64 deep, of ${kind}, are read everywhere`, () => {
      const pair = consuming()
      deliver(pair, nested(kind, 64))
      expect(depthOf(headersIn(pair))).to.equal(64)
      const opening = handshaking('start')
      opening.sendOctets(startWith(nested(kind, 64)))
      expect(depthOf(opening.protocol.serverProperties)).to.equal(64)
    })

    for (const depth of [65, 1_100, 15_000]) {
      it(`${depth} deep, of ${kind}, in the headers of a message, end the connection (502)`, () => {
        const pair = consuming()
        deliver(pair, nested(kind, depth))
        expectRefused(pair, 502, /nested deeper than 64 levels/)
        expect(pair.eventsOf('delivered')).to.deep.equal([])
      })

      it(`${depth} deep, of ${kind}, in an argument of a method, end the connection (502)`, () => {
        const pair = consuming()
        pair.sendOctets(declareWith(nested(kind, depth)))
        expectRefused(pair, 502, /cannot decode queue\.declare: .*nested deeper than 64 levels/)
      })

      const fits = depth < 15_000
      it(`${depth} deep, of ${kind}, in the server's properties, end the handshake (${fits ? 502 : 501})`, () => {
        const pair = handshaking('start')
        pair.sendOctets(startWith(nested(kind, depth)))
        if (fits) expectRefusedInHandshake(pair, 502, /nested deeper than 64 levels/)
        else expectRefusedInHandshake(pair, 501, /frame of \d+ octets, frame-max is 8192/)
      })
    }
  }
})

describe('tables with very many fields', () => {
  const manyKeys = (count: number): Buffer => {
    const fields = Array.from({ length: count }, (_, n) => octetField(Buffer.from(n.toString(36)), n % 256))
    return tableOf(Buffer.concat(fields))
  }

  it('a hundred thousand in the headers of a message are all there', () => {
    const pair = consuming({ tune: { frameMax: MIB } })
    deliver(pair, manyKeys(100_000))
    const headers = headersIn(pair)
    expect(Object.keys(headers)).to.have.length(100_000)
    expect(headers[(99_999).toString(36)]).to.equal(99_999 % 256)
  })

  it('whose names look like indices are all there too', () => {
    const pair = consuming({ tune: { frameMax: MIB } })
    const names = Array.from({ length: 20_000 }, (_, n) => `${(n * 214_013) % 2 ** 32}`)
    deliver(pair, tableOf(Buffer.concat(names.map(name => octetField(Buffer.from(name), 1)))))
    expect(Object.keys(headersIn(pair)).sort()).to.deep.equal(names.sort())
  })

  it('with one name a hundred thousand times have the first value', () => {
    const pair = consuming({ tune: { frameMax: MIB } })
    const [first, other] = [octetField(Buffer.from('x'), 7), octetField(Buffer.from('x'), 9)]
    deliver(pair, tableOf(Buffer.concat([first, Buffer.alloc(99_999 * other.length, other)])))
    expect({ ...headersIn(pair) }).to.deep.equal({ x: 7 })
  })

  it('with names of 255 octets have them whole', () => {
    const pair = consuming({ tune: { frameMax: MIB } })
    const names = Array.from({ length: 3_000 }, (_, n) => `${n}`.padEnd(255, 'n'))
    deliver(pair, tableOf(Buffer.concat(names.map(name => octetField(Buffer.from(name), 1)))))
    expect(new Set(Object.keys(headersIn(pair)))).to.deep.equal(new Set(names))
  })

  it('are read in time that grows with the fields', () => {
    expectLinear('fields of a table', 4_000, count => () => {
      const pair = consuming({ tune: { frameMax: MIB } })
      deliver(pair, manyKeys(count))
      expect(Object.keys(headersIn(pair))).to.have.length(count)
    })
  })

  it('may be arrays of two hundred thousand empty arrays, read in time that grows with them', () => {
    expectLinear('empty arrays in an array', 25_000, count => () => {
      const pair = consuming({ tune: { frameMax: MIB } })
      const array = tableOf(Buffer.alloc(5 * count, Buffer.from([0x41, 0, 0, 0, 0])))
      deliver(pair, tableOf(Buffer.concat([Buffer.from([1, 0x61, 0x41]), array])))
      expect(headersIn(pair)['a']).to.have.length(count)
    })
  })
})

describe('a content header that is full of properties', () => {
  it('has all fourteen of them, as long as they can be, to the last octet of its frame', () => {
    const pair = consuming({ tune: { frameMax: 131_072 } })
    const text = Buffer.alloc(255, 'p')
    const shortstr = Buffer.concat([Buffer.from([255]), text])
    // Ten short strings; the table takes what is left: 8 around the frame, 12 fixed, 2 flags, 10 for octets and time.
    const left = 131_072 - 8 - 12 - 2 - 10 - 10 * 256
    const filling = Buffer.alloc(left - 4 - 1 - 1 - 1 - 4, 'f')
    const size = Buffer.alloc(4)
    size.writeUInt32BE(filling.length)
    const table = tableOf(Buffer.concat([Buffer.from([1, 0x66, 0x53]), size, filling]))
    const list = [
      ...[shortstr, shortstr, table, Buffer.from([2, 255]), shortstr, shortstr, shortstr, shortstr],
      ...[Buffer.alloc(8, 0xff), shortstr, shortstr, shortstr, shortstr],
    ]
    const header = contentHeader(1, 0, Buffer.concat([Buffer.from([0xff, 0xfc]), ...list]))
    expect(header.length).to.equal(131_072)
    pair.sendOctets(Buffer.concat([deliverFrame(pair), header]))
    const [delivered] = pair.eventsOf('delivered')
    const properties = delivered?.delivery.content.properties
    expect(Object.keys(properties ?? {})).to.have.length(14)
    expect(properties).to.include({ clusterId: `${text}`, priority: 255, timestamp: 2n ** 64n - 1n })
    expect(properties?.headers?.['f']).to.equal(`${filling}`)
  })
})

describe('tables with the names of things that JavaScript knows', () => {
  const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON']
  // An int32, which is how a number goes out.
  const inner = tableOf(Buffer.from('\x08pollutedI\x00\x00\x00\x01', 'latin1'))
  const hostile = tableOf(
    Buffer.concat(
      NAMES.map(name =>
        Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from('F'), inner]),
      ),
    ),
  )

  it('in the headers of a message change nothing, and read back as what they are', () => {
    const pair = consuming()
    deliver(pair, hostile)
    const headers = headersIn(pair)
    expect(Object.keys(headers)).to.deep.equal(NAMES)
    for (const name of NAMES) {
      const value = Reflect.get(headers, name) as FieldTable
      expect(Object.entries(value)).to.deep.equal([['polluted', 1]])
      expect(Object.getPrototypeOf(value)).to.equal(null)
    }
    expect(Object.getPrototypeOf(headers)).to.equal(null)
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined)
  })

  it('go out again as they came in', () => {
    const pair = consuming()
    deliver(pair, hostile)
    const headers = headersIn(pair)
    pair.publish(pair.other, { properties: { headers } })
    const [published] = pair.received
    const content = published?.type === 'method' ? published.content : undefined
    expect(content?.propertyOctets.toString('hex')).to.equal(headersOnly(hostile).toString('hex'))
  })

  it('in the properties of the server change nothing, and read back as what they are', () => {
    const pair = handshaking('start')
    pair.sendOctets(startWith(hostile))
    expect(Object.keys(pair.protocol.serverProperties)).to.deep.equal(NAMES)
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined)
    expect(pair.protocol.state).to.equal('awaitingTune')
  })

  it('as consumer tags are tags like any other', () => {
    const pair = consuming()
    for (const name of NAMES) {
      pair.consume(pair.other, { consumerTag: name, noAck: true })
      pair.send(pair.other.number, { name: 'basic.consume-ok', args: { consumerTag: name } })
    }
    pair.forget()
    for (const [index, consumerTag] of NAMES.entries()) pair.deliver(pair.other, consumerTag, index + 1)
    const tags = pair.eventsOf('delivered').map(({ delivery }) => delivery.consumerTag)
    expect(tags).to.deep.equal(NAMES)
    expect(pair.channel.hasConsumer(CONSUMER_TAG)).to.equal(true)
  })
})
