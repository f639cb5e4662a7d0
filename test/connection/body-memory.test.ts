import { MessageChannel } from 'node:worker_threads'
import { expect } from 'chai'
import type { Delivery } from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'

describe('the memory of a body', () => {
  for (const size of [64, 100, 5_000, 9_000]) {
    it(`of ${size} octets may be transferred to a worker: no other body goes with it`, async () => {
      const session = await ScriptedSession.open({ heartbeat: 0 })
      const { port1, port2 } = new MessageChannel()
      try {
        const channel = await session.connection.openChannel()
        const deliveries: Delivery[] = []
        const { consumerTag } = await channel.consume('q', { noAck: true }, delivery =>
          deliveries.push(delivery),
        )
        const { codec } = session.peer
        const octets = [1, 2, 3].map(deliveryTag => {
          const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
          return codec.content(1, { name: 'basic.deliver', args }, Buffer.alloc(size, deliveryTag), {
            messageId: 'm',
          })
        })
        session.peer.sendOctets(Buffer.concat(octets))
        await until(2_000, 'three deliveries', () => deliveries.length === 3)
        const body = deliveries[1]?.body as Buffer
        // Node 20 copies what is not to be transferred, later versions throw.
        try {
          port1.postMessage(body, [body.buffer as ArrayBuffer])
        } catch (error) {
          expect(String(error)).to.contain('DataCloneError')
        }
        expect(deliveries[0]?.body).to.deep.equal(Buffer.alloc(size, 1))
        expect(deliveries[2]?.body).to.deep.equal(Buffer.alloc(size, 3))
        expect(deliveries.map(({ properties }) => properties.messageId)).to.deep.equal(['m', 'm', 'm'])
      } finally {
        port1.close()
        port2.close()
        await within(5_000, 'the end', session.close())
      }
    })
  }
})
