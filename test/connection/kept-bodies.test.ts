// What a delivery pins that is kept: its octets and a bounded multiple of them, not the 64 KiB that the socket read them in. Small
// bodies and properties lie beside others in one piece of memory; who keeps a few of very many keeps their pieces, and no more.

import { expect } from 'chai'
import type { Delivery } from '../../src/index.js'
import { heldOctets } from '../support/invariants/growth.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'

const COUNT = 5_000
/** Octets outside of the heap, and all together, that each kept delivery costs when one of `every` is kept. */
async function costOf(bodySize: number, every: number): Promise<{ external: number; held: number }> {
  const session = await ScriptedSession.open({ heartbeat: 0 })
  try {
    const channel = await session.connection.openChannel()
    const kept: Delivery[] = []
    let seen = 0
    const take = (delivery: Delivery): void => {
      if (seen++ % every === 0) kept.push(delivery)
    }
    const { consumerTag } = await channel.consume('q', { noAck: true }, take)
    const deliver = async (count: number): Promise<void> => {
      const expected = seen + count
      const { codec } = session.peer
      for (let sent = 0; sent < count; sent += 100) {
        const octets = Array.from({ length: 100 }, (_, n) => {
          const args = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
          // Of each a header of its own, so that no two share their properties.
          const headers = { n: sent + n, padding: 'abc' }
          return codec.content(1, { name: 'basic.deliver', args }, Buffer.alloc(bodySize, 1), { headers })
        })
        session.peer.sendOctets(Buffer.concat(octets))
        if (sent % 1_000 === 0) await new Promise(resolve => setImmediate(resolve))
      }
      await until(20_000, 'all deliveries', () => seen === expected)
    }
    await deliver(100)
    kept.length = 0
    seen = 0
    const before = { held: await heldOctets(), external: process.memoryUsage().external }
    await deliver(COUNT)
    const after = { held: await heldOctets(), external: process.memoryUsage().external }
    expect(kept).to.have.length(COUNT / every)
    for (const { body } of kept) if (body.length !== bodySize) throw new Error('not what was sent')
    return {
      external: (after.external - before.external) / kept.length,
      held: (after.held - before.held) / kept.length,
    }
  } finally {
    await within(5_000, 'the end', session.close())
  }
}

describe('a delivery that is kept', function () {
  this.timeout(30_000)

  for (const bodySize of [100, 1_000, 1_024, 4_000, 8_000, 10_000]) {
    it(`with a body of ${bodySize} octets pins about as much, when all are kept`, async () => {
      const { external, held } = await costOf(bodySize, 1)
      // Headers this short lie inside the heap. The rest of a piece that is too small for the next body is lost.
      // What was left of a piece from before is there already.
      expect(external, 'outside of the heap').to.be.within(bodySize - 16, 1.25 * bodySize)
      expect(held - external, 'its objects').to.be.below(1_024)
    })
  }

  for (const bodySize of [16, 64]) {
    it(`with a body of ${bodySize} octets pins nothing outside of the heap`, async () => {
      const { external, held } = await costOf(bodySize, 1)
      expect(external).to.be.below(2)
      expect(held).to.be.below(1_024 + bodySize)
    })
  }

  for (const bodySize of [65, 256, 1_023, 1_024, 8_192]) {
    it(`with a body of ${bodySize} octets pins at most 252 times as much when all others are dropped`, async () => {
      const { external } = await costOf(bodySize, 250)
      expect(external).to.be.below(253 * bodySize)
      // The piece that is being filled is there anyway.
      expect(external).to.be.below((bodySize < 1_024 ? 17 : 68) * 1_024)
    })
  }
})
