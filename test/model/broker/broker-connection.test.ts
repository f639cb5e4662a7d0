import { expect } from 'chai'
import type { Method, MethodArgs } from '../../../src/protocol/method-types.js'
import { PeerCodec } from '../../support/peer/peer-codec.js'
import { BrokerConnection } from './broker-connection.js'
import type { BrokerObserver } from './broker-observer.js'
import { BrokenRule } from './refusal.js'
import { VirtualHost } from './virtual-host.js'

const NO_OBSERVER: BrokerObserver = {
  onArrival() {},
  onRouted() {},
  onConfirmed() {},
  onReturned() {},
}

/** A client that speaks in methods, and what it is told. */
class Client {
  readonly host = new VirtualHost()
  readonly broker: BrokerConnection
  /** Names of what came, with the arguments that matter here. */
  readonly told: string[] = []
  readonly #codec = new PeerCodec()

  constructor() {
    // What the broker writes has no protocol header before it.
    const reader = new PeerCodec()
    reader.receive(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
    const write = (octets: Buffer): void => {
      for (const received of reader.receive(octets)) {
        if (received.type === 'method') this.told.push(describeMethod(received.method))
      }
    }
    this.broker = new BrokerConnection(this.host, { codec: this.#codec, write }, NO_OBSERVER, 2)
    this.send({ name: 'channel.open', args: {} })
    this.send({ name: 'queue.declare', args: declaration('q') })
    this.told.length = 0
  }

  /** Sends, and lets the broker work. */
  send(method: Method, body?: string): void {
    this.sendOnly(method, body)
    this.broker.work(0)
  }

  sendOnly(method: Method, body?: string): void {
    const content =
      body === undefined ? {} : { content: { propertyOctets: Buffer.from([0, 0]), body: Buffer.from(body) } }
    this.broker.receive({ type: 'method', channelNumber: 1, method, ...(content as object) })
  }

  publish(body: string, routingKey = 'q', mandatory = false): void {
    this.send(
      { name: 'basic.publish', args: { exchange: '', routingKey, mandatory, immediate: false } },
      body,
    )
  }

  consume(consumerTag: string, noAck = false): void {
    const flags = { noLocal: false, noAck, exclusive: false, noWait: false }
    this.send({ name: 'basic.consume', args: { queue: 'q', consumerTag, ...flags, arguments: {} } })
  }

  deliver(times: number): void {
    for (let each = 0; each < times; each++) this.broker.deliver(0)
  }

  /** What was told since it was asked last. */
  take(): string[] {
    return this.told.splice(0)
  }
}

function declaration(queue: string, table = {}): MethodArgs<'queue.declare'> {
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
  return { queue, ...flags, arguments: table }
}

function describeMethod({ name, args }: Method): string {
  const shown: Readonly<Record<string, unknown>> = args
  const told = ['consumerTag', 'deliveryTag', 'redelivered', 'messageCount', 'replyCode', 'multiple']
  return [name, ...told.filter(each => each in shown).map(each => String(shown[each]))].join(' ')
}

const BOUNDED = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
const GET: Method = { name: 'basic.get', args: { queue: 'q', noAck: false } }

describe('the model broker', () => {
  let client: Client

  beforeEach(() => {
    client = new Client()
  })

  it('puts a message that is requeued into the place it had, marked as redelivered', () => {
    for (const body of ['a', 'b', 'c']) client.publish(body)
    for (let each = 0; each < 2; each++) client.send(GET)
    expect(client.take()).to.deep.equal(['basic.get-ok 1 false 2', 'basic.get-ok 2 false 1'])
    client.send({ name: 'basic.nack', args: { deliveryTag: 1, multiple: false, requeue: true } })
    const ready = client.host
      .queue('q')
      .ready.map(({ message, redelivered }) => `${message.body} ${redelivered}`)
    expect(ready).to.deep.equal(['a true', 'c false'])
  })

  it('delivers to consumers in turn, each up to its prefetch, and to those without acknowledgements without end', () => {
    for (let each = 0; each < 6; each++) client.publish(String(each))
    client.send({ name: 'basic.qos', args: { prefetchSize: 0, prefetchCount: 1, global: false } })
    client.consume('one')
    client.consume('all', true)
    client.take()
    client.deliver(5)
    const turns = client.take().map(told => told.split(' ')[1])
    expect(turns).to.deep.equal(['one', 'all', 'all', 'all', 'all'])
    client.send({ name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    client.deliver(1)
    expect(client.take()).to.have.length(1)
  })

  it('returns what no queue takes before it confirms it, and confirms singly or up to a tag', () => {
    client.send({ name: 'confirm.select', args: { noWait: false } })
    client.publish('a')
    client.publish('lost', 'nowhere', true)
    client.publish('b')
    client.take()
    client.broker.confirm(2, false)
    client.broker.confirm(1, true)
    expect(client.take()).to.deep.equal(['basic.ack 3 false', 'basic.ack 2 true'])
    client.publish('lost', 'nowhere', true)
    client.broker.confirm(0, false)
    expect(client.take()).to.deep.equal(['basic.return 312', 'basic.ack 4 false'])
  })

  it('refuses by a nack what makes a bounded queue too long', () => {
    client.send({ name: 'queue.declare', args: declaration('short', BOUNDED) })
    client.send({ name: 'confirm.select', args: { noWait: false } })
    client.publish('a', 'short')
    client.publish('b', 'short')
    client.take()
    // One answer with `multiple` covers only what has the same answer.
    client.broker.confirm(1, true)
    client.broker.confirm(0, true)
    expect(client.take()).to.deep.equal(['basic.nack 2 false', 'basic.ack 1 true'])
  })

  it('closes the channel (406) when a transaction makes a bounded queue too long', () => {
    client.send({ name: 'queue.declare', args: declaration('short', BOUNDED) })
    client.send({ name: 'tx.select', args: {} })
    for (const body of ['a', 'b']) client.publish(body, 'short')
    client.take()
    client.send({ name: 'tx.commit', args: {} })
    expect(client.take()).to.deep.equal(['channel.close 406'])
  })

  it('holds publishes and settlements of a transaction back, and a rollback redelivers nothing', () => {
    client.publish('a')
    client.send(GET)
    client.send({ name: 'tx.select', args: {} })
    client.publish('b')
    client.send({ name: 'basic.ack', args: { deliveryTag: 1, multiple: false } })
    client.send({ name: 'tx.rollback', args: {} })
    expect(client.host.queue('q').ready).to.have.length(0)
    client.send({ name: 'basic.reject', args: { deliveryTag: 1, requeue: true } })
    expect(client.host.queue('q').ready).to.have.length(0)
    client.send({ name: 'tx.commit', args: {} })
    expect(client.host.queue('q').ready).to.have.length(1)
  })

  it('closes the channel for a mistake, takes back what was delivered on it, and drops what comes behind', () => {
    client.publish('a')
    client.send(GET)
    client.take()
    client.send({ name: 'basic.get', args: { queue: 'none', noAck: false } })
    client.publish('dropped')
    expect(client.take()).to.deep.equal(['channel.close 404'])
    expect(client.host.queue('q').ready.map(({ message }) => String(message.body))).to.deep.equal(['a'])
    client.send({ name: 'channel.close-ok', args: {} })
    client.send({ name: 'channel.open', args: {} })
    expect(client.take()).to.deep.equal(['channel.open-ok'])
  })

  it('still delivers behind the close of a channel, and takes that back', () => {
    client.consume('one')
    client.publish('a')
    client.take()
    client.send({ name: 'basic.get', args: { queue: 'none', noAck: false } })
    expect(client.take()).to.deep.equal(['channel.close 404', 'basic.deliver one 1 false'])
    expect(client.host.queue('q').ready).to.have.length(1)
  })

  it('cancels the consumers of a queue that is deleted', () => {
    client.consume('one')
    client.take()
    client.send({
      name: 'queue.delete',
      args: { queue: 'q', ifUnused: false, ifEmpty: false, noWait: false },
    })
    expect(client.take()).to.deep.equal(['basic.cancel one', 'queue.delete-ok 0'])
  })

  for (const [what, methods] of [
    ['a call before the reply to another', [GET, GET]],
    [
      'anything beside a method of a transaction',
      [
        { name: 'tx.select', args: {} },
        { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } },
      ],
    ],
    ['a second opening', [{ name: 'channel.open', args: {} }]],
    ['an unknown delivery tag', [{ name: 'basic.ack', args: { deliveryTag: 9, multiple: false } }]],
    ['a method that is not for a client', [{ name: 'basic.qos-ok', args: {} }]],
  ] as const satisfies readonly (readonly [string, readonly Method[]])[]) {
    it(`throws at ${what}: no client may do that`, () => {
      expect(() => {
        for (const method of methods) client.sendOnly(method)
        client.broker.work(0)
      }).to.throw(BrokenRule)
    })
  }
})
