import { expect } from 'chai'
import type { Method } from '../../src/protocol/method-types.js'
import { METHODS, type MethodName, methodRow } from '../../src/protocol/methods.js'
import { hex } from '../support/hex.js'
import { ProtocolPair } from '../support/peer/protocol-pair.js'

const NAMES = Object.keys(METHODS) as MethodName[]
const HEADER = hex`02000100000013003c00000000000000000003900003612f6202ce`
const BODY = hex`03000100000003616263ce`

/** The method with empty arguments, whatever they are. */
function emptyMethod(name: MethodName): Method {
  const empty = {
    bit: false,
    octet: 0,
    short: 0,
    long: 0,
    longlong: 0,
    shortstr: '',
    longstr: Buffer.alloc(0),
    table: {},
  }
  const args = Object.entries(methodRow(name).args).map(([argument, domain]) => [
    argument,
    (empty as Record<string, unknown>)[domain],
  ])
  return { name, args: Object.fromEntries(args) } as Method
}

function reasonOf(pair: ProtocolPair) {
  return pair.eventsOf('closed')[0]?.reason
}

/** A connection that has sent its close. */
function closing(): ProtocolPair {
  const pair = ProtocolPair.opened()
  pair.openChannel()
  pair.run(() => pair.protocol.close(pair.now))
  pair.forget()
  return pair
}

describe('FrameRouter', () => {
  for (const channelNumber of [0, 1]) {
    it(`takes what only a client may send for a violation (503), on channel ${channelNumber}`, () => {
      const names = NAMES.filter(name => methodRow(name).sender === 'client' && name !== 'basic.publish')
      expect(names).to.have.length.above(25)
      for (const name of names) {
        const pair = ProtocolPair.opened()
        pair.openChannel()
        pair.send(channelNumber, emptyMethod(name))
        expect(reasonOf(pair), name).to.include({ by: 'protocol', code: 503, method: name })
        expect(reasonOf(pair)?.text).to.equal(`${name} is not for a server to send`)
      }
    })
  }

  it('takes what belongs to channel 0 for a violation on another (503)', () => {
    const names = NAMES.filter(name => name.startsWith('connection.') && methodRow(name).sender !== 'client')
    expect(names).to.include.members([
      'connection.close',
      'connection.update-secret-ok',
      'connection.blocked',
    ])
    for (const name of names) {
      const pair = ProtocolPair.opened()
      pair.openChannel()
      pair.send(1, emptyMethod(name))
      expect(reasonOf(pair), name).to.include({ by: 'protocol', code: 503, method: name })
      expect(reasonOf(pair)?.text).to.equal(`${name} on channel 1`)
    }
  })

  it('takes what belongs to a channel for a violation on channel 0 (504)', () => {
    const names = NAMES.filter(name => !name.startsWith('connection.') && methodRow(name).sender !== 'client')
    expect(names).to.have.length.above(20)
    for (const name of names) {
      const pair = ProtocolPair.opened()
      pair.send(0, emptyMethod(name))
      expect(reasonOf(pair), name).to.include({ by: 'protocol', code: 504, method: name })
      expect(reasonOf(pair)?.text).to.equal(`${name} while open`)
    }
  })

  it('drops what comes for channels once the close is sent, also for such as never were', () => {
    const pair = closing()
    pair.send(1, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    pair.send(9, { name: 'queue.purge-ok', args: { messageCount: 0 } })
    pair.send(9, { name: 'connection.blocked', args: { reason: '' } })
    pair.sendOctets(Buffer.concat([HEADER, BODY, hex`03000900000003616263ce`]))
    expect(pair.events).to.deep.equal([])
    expect(pair.protocol.state).to.equal('closing')
  })

  it('drops what comes for the connection then, but its end', () => {
    const pair = closing()
    for (const name of ['connection.blocked', 'connection.unblocked', 'connection.update-secret-ok'] as const)
      pair.send(0, emptyMethod(name))
    expect(pair.events).to.deep.equal([])
    pair.send(0, { name: 'connection.close-ok', args: {} })
    expect(reasonOf(pair)).to.deep.equal({ by: 'client' })
  })

  it('reads nothing more of a chunk once the connection has ended in it', () => {
    const pair = ProtocolPair.opened()
    const channel = pair.openChannel()
    pair.consume(channel)
    pair.send(1, { name: 'basic.consume-ok', args: { consumerTag: 't' } })
    pair.forget()
    const args = { consumerTag: 't', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    const delivery = pair.peer.content(1, { name: 'basic.deliver', args }, Buffer.from('body'))
    const close = { replyCode: 320, replyText: '', classId: 0, methodId: 0 }
    pair.sendOctets(Buffer.concat([pair.peer.method(0, { name: 'connection.close', args: close }), delivery]))
    expect(pair.eventsOf('delivered')).to.deep.equal([])
    expect(reasonOf(pair)).to.include({ by: 'server', code: 320 })
  })
})
