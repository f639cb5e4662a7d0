import { expect } from 'chai'
import type { FieldTable } from '../../src/frames/index.js'
import { initialFrameMaxOf } from '../../src/protocol/initial-frame-max.js'

describe('initialFrameMaxOf', () => {
  const servers: [properties: FieldTable, octets: number][] = [
    [{ product: 'RabbitMQ', version: '3.10.8' }, 4096],
    [{ product: 'RabbitMQ', version: '4.0.9' }, 4096],
    [{ product: 'RabbitMQ', version: '4.1.0' }, 8192],
    [{ product: 'RabbitMQ', version: '4.10.0' }, 8192],
    [{ product: 'RabbitMQ', version: '10.0.0' }, 8192],
    [{ product: 'RabbitMQ', version: 'alpha' }, 8192],
    [{ product: 'RabbitMQ', version: ['3.10.8'] }, 4096],
    [{ product: 'RabbitMQ', version: { a: 3 } }, 8192],
    [{ product: 'RabbitMQ' }, 8192],
    [{ product: 'LavinMQ', version: '2.0.0' }, 8192],
    [{}, 8192],
  ]
  for (const [properties, octets] of servers) {
    it(`is ${octets} for ${JSON.stringify(properties)}`, () => {
      expect(initialFrameMaxOf(properties)).to.equal(octets)
    })
  }
})
