import { expect } from 'chai'
import type { ChannelProtocol } from '../../src/protocol/channel-protocol.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const CLOSE = { replyCode: 404, replyText: 'NOT_FOUND', classId: 0, methodId: 0 }

/** A channel with a consumer, which the server has closed. */
function closedByServer(pair: ProtocolPair): ChannelProtocol {
  const channel = pair.openChannel()
  pair.consume(channel)
  pair.send(channel.number, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
  pair.send(channel.number, { name: 'channel.close', args: CLOSE })
  expect(pair.methods.at(-1)).to.equal('channel.close-ok')
  pair.forget()
  return channel
}

/** All kinds of frame that the server may still have had on their way when it closed the channel. */
function sendLate(pair: ProtocolPair, channel: ChannelProtocol): void {
  pair.deliver(channel, 't', 1)
  pair.deliver(channel, 't', 2, Buffer.alloc(300_000))
  pair.send(channel.number, { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
  pair.send(channel.number, { name: 'basic.cancel', args: { consumerTag: 't', noWait: true } })
}

// RabbitMQ's queues go on delivering to a channel that it has closed, until it reads our Close-Ok (measured, 3.10).
describe('frames on a channel that the server has closed', () => {
  it('are dropped, and the connection and its other channels live on', () => {
    const pair = ProtocolPair.opened()
    const other = pair.openChannel()
    const channel = closedByServer(pair)
    sendLate(pair, channel)
    expect(pair.events).to.deep.equal([])
    expect(pair.protocol.state).to.equal('open')
    const token = pair.call(other, { name: 'basic.recover', args: { requeue: true } })
    pair.send(other.number, { name: 'basic.recover-ok', args: {} })
    expect(pair.settlementOf(token)).to.include({ type: 'replied' })
  })

  it('are dropped up to the answer to the next opening of its number', () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const { number } = closedByServer(pair)
    const token = {}
    const again = pair.run(() => pair.protocol.openChannel({}, 1, token, pair.now))
    expect(again.number).to.equal(number)
    sendLate(pair, again)
    pair.send(number, { name: 'channel.open-ok', args: {} })
    expect(pair.settlementOf(token)).to.include({ type: 'replied' })
    expect(again.state).to.equal('open')
    pair.deliver(again, 't', 1)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 503 })
  })

  it('are dropped when the number is opened and closed before that is answered', () => {
    const pair = ProtocolPair.opened({ channelMax: 1 })
    const { number } = closedByServer(pair)
    const again = pair.run(() => pair.protocol.openChannel({}, 1, {}, pair.now))
    pair.run(() => again.close(pair.now))
    sendLate(pair, again)
    pair.send(number, { name: 'channel.open-ok', args: {} })
    pair.send(number, { name: 'channel.close-ok', args: {} })
    expect(again.state).to.equal('closed')
    expect(pair.protocol.state).to.equal('open')
    pair.deliver(again, 't', 1)
    expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 504 })
  })

  it('are a violation when nothing else explains them: a second close, an answer to no opening', () => {
    for (const method of [
      { name: 'channel.close', args: CLOSE },
      { name: 'channel.open-ok', args: {} },
    ] as const) {
      const pair = ProtocolPair.opened()
      const { number } = closedByServer(pair)
      pair.send(number, method)
      expect(pair.eventsOf('closed')[0]?.reason).to.include({ by: 'protocol', code: 504 })
    }
  })
})
