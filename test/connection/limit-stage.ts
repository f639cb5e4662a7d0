// A connection in virtual time with one of everything that has limits on it, and a peer that then answers nothing.

import { type ConnectOptions, openRpcClient } from '../../src/index.js'
import { METHODS, type MethodName } from '../../src/protocol/methods.js'
import type { PeerTune } from '../support/peer/scripted-peer.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import type { Stage } from './limit-calls.js'

/** Without heartbeats, so that nothing but what is tried sets timers. */
export async function openStage(options: ConnectOptions = {}, tune: PeerTune = {}): Promise<Stage> {
  const virtual = await VirtualPeer.open({ connect: { heartbeat: 0, ...options }, tune })
  const { connection, peer, clock } = virtual
  const channel = await connection.openChannel({ confirm: true })
  const consumer = await channel.consume('q')
  const next = consumer[Symbol.asyncIterator]().next()
  const args = {
    consumerTag: consumer.consumerTag,
    deliveryTag: 1,
    redelivered: false,
    exchange: '',
    routingKey: 'q',
  }
  peer.sendContent(channel.number, { name: 'basic.deliver', args }, Buffer.from('x'))
  const { value: delivery } = await within(1_000, 'a delivery', next)
  if (delivery === undefined) throw new Error('the consumer has ended')
  const client = await openRpcClient(connection)
  await clock.settle()
  for (const name of Object.keys(METHODS) as MethodName[]) peer.on(name, () => undefined)
  return { virtual, connection, channel, consumer, delivery, client }
}
