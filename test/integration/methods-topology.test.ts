import { expect } from 'chai'
import { ArgumentError, type Channel, type FieldTable, ReturnedError } from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

describe('exchanges and bindings, with RabbitMQ', () => {
  let session: MethodsSession
  let channel: Channel

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open({ confirm: true })
    channel = session.channel
  })

  afterEach(() => session.close())

  /** Whether a message that is published there reaches the queue; it is taken out again. */
  async function reaches(
    queue: string,
    exchange: string,
    routingKey = '',
    headers: FieldTable = {},
  ): Promise<boolean> {
    const published = channel.publish(exchange, routingKey, 'x', { headers, mandatory: true })
    await published.catch((error: unknown) => expect(error).to.be.instanceOf(ReturnedError))
    return (await channel.get(queue, { noAck: true })) !== undefined
  }

  describe('exchangeDeclare', () => {
    const types: [
      type: string,
      key: string,
      args: FieldTable,
      fits: [key: string, FieldTable],
      not: [key: string, FieldTable],
    ][] = [
      ['direct', 'a', {}, ['a', {}], ['b', {}]],
      ['topic', 'a.*.#', {}, ['a.b.c.d', {}], ['a', {}]],
      ['headers', '', { 'x-match': 'any', a: 1, b: true }, ['', { a: 1 }], ['', { a: 2 }]],
    ]
    for (const [type, key, args, fits, not] of types) {
      it(`makes one of the type ${type}, which routes as such`, async () => {
        const [exchange, queue] = [session.name(), await session.live.queue()]
        expect(await channel.exchangeDeclare(exchange, type)).to.equal(undefined)
        await channel.queueBind(queue, exchange, key, args)
        expect(await reaches(queue, exchange, ...fits)).to.equal(true)
        expect(await reaches(queue, exchange, ...not)).to.equal(false)
      })
    }

    it('makes one of the type fanout, which routes to all that is bound', async () => {
      const exchange = session.name()
      await channel.exchangeDeclare(exchange, 'fanout')
      const queues = await Promise.all([1, 2, 3].map(() => session.live.queue()))
      for (const queue of queues) await channel.queueBind(queue, exchange, 'whatever')
      await channel.publish(exchange, '', 'x', { mandatory: true })
      for (const queue of queues) expect(String((await channel.get(queue))?.body)).to.equal('x')
    })

    it('makes a durable one that stays, unless it is told otherwise', async () => {
      const [durable, automatic] = [session.name(), session.name()]
      await channel.exchangeDeclare(durable, 'direct')
      await channel.exchangeDeclare(automatic, 'direct', { durable: false, autoDelete: true })
      const witness = await session.live.witness()
      await witness.assertExchange(durable, 'direct', { durable: true, autoDelete: false, internal: false })
      await witness.assertExchange(automatic, 'direct', { durable: false, autoDelete: true })
      const queue = await session.live.queue()
      for (const exchange of [durable, automatic]) {
        await channel.queueBind(queue, exchange, 'k')
        await channel.queueUnbind(queue, exchange, 'k')
      }
      // With its last binding goes the one.
      expect(await session.connection.checkExchange(automatic)).to.equal(false)
      expect(await session.connection.checkExchange(durable)).to.equal(true)
    })

    it('asks whether there is one when it is passive, of whatever type', async () => {
      const exchange = session.name()
      await channel.exchangeDeclare(exchange, 'topic')
      await channel.exchangeDeclare(exchange, 'direct', { passive: true, durable: false, internal: true })
      await channel.exchangeDeclare('amq.fanout', '', { passive: true })
    })

    it('with noWait has done it when the next call is answered', async () => {
      const exchange = session.name()
      const { framesReceived } = session.connection.stats
      expect(await channel.exchangeDeclare(exchange, 'fanout', { noWait: true })).to.equal(undefined)
      await channel.prefetch(1)
      expect(session.connection.stats.framesReceived - framesReceived, 'answers').to.equal(1)
      expect(await session.connection.checkExchange(exchange)).to.equal(true)
    })
  })

  describe('exchangeDelete', () => {
    it('takes it away, its bindings too, and minds none that does not exist', async () => {
      const [exchange, queue] = [session.name(), await session.live.queue()]
      await channel.exchangeDeclare(exchange, 'fanout')
      await channel.queueBind(queue, exchange)
      expect(await channel.exchangeDelete(exchange)).to.equal(undefined)
      expect(await session.connection.checkExchange(exchange)).to.equal(false)
      await channel.exchangeDelete(exchange)
      await channel.exchangeDeclare(exchange, 'fanout')
      expect(await reaches(queue, exchange)).to.equal(false)
    })

    it('takes away what is not used when it is to be unused', async () => {
      const exchange = session.name()
      await channel.exchangeDeclare(exchange, 'fanout')
      await channel.exchangeDelete(exchange, { ifUnused: true })
      expect(await session.connection.checkExchange(exchange)).to.equal(false)
    })

    it('with noWait has done it when the next call is answered', async () => {
      const exchange = session.name()
      await channel.exchangeDeclare(exchange, 'fanout')
      await channel.exchangeDelete(exchange, { noWait: true })
      await channel.prefetch(1)
      expect(await session.connection.checkExchange(exchange)).to.equal(false)
    })
  })

  for (const noWait of [false, true]) {
    const form = noWait ? ' with noWait' : ''

    it(`exchangeBind${form} leads from the source to the destination, exchangeUnbind${form} no longer`, async () => {
      const [source, destination, queue] = [session.name(), session.name(), await session.live.queue()]
      await channel.exchangeDeclare(source, 'topic')
      await channel.exchangeDeclare(destination, 'fanout', { internal: true })
      await channel.queueBind(queue, destination)
      for (let round = 0; round < 2; round++) {
        await channel.exchangeBind(destination, source, 'a.*', {}, { noWait })
        await channel.exchangeBind(destination, source, 'a.*', {}, { noWait })
        await channel.prefetch(1)
        expect(await reaches(queue, source, 'a.b')).to.equal(true)
        expect(await reaches(queue, source, 'b')).to.equal(false)
        await channel.exchangeUnbind(destination, source, 'a.*', {}, { noWait })
        await channel.exchangeUnbind(destination, source, 'a.*', {}, { noWait })
        await channel.prefetch(1)
        expect(await reaches(queue, source, 'a.b')).to.equal(false)
      }
    })

    it(`exchangeBind${form} and exchangeUnbind${form} go by the arguments too`, async () => {
      const [source, destination, queue] = [session.name(), session.name(), await session.live.queue()]
      await channel.exchangeDeclare(source, 'headers')
      await channel.exchangeDeclare(destination, 'fanout')
      await channel.queueBind(queue, destination)
      await channel.exchangeBind(destination, source, '', { a: 1 }, { noWait })
      await channel.exchangeBind(destination, source, '', { a: 2 }, { noWait })
      await channel.exchangeUnbind(destination, source, '', { a: 1 }, { noWait })
      await channel.prefetch(1)
      expect(await reaches(queue, source, '', { a: 1 })).to.equal(false)
      expect(await reaches(queue, source, '', { a: 2 })).to.equal(true)
    })

    it(`queueBind${form} leads to the queue, queueUnbind no longer`, async () => {
      const [exchange, queue] = [session.name(), await session.live.queue()]
      await channel.exchangeDeclare(exchange, 'headers')
      await channel.queueBind(queue, exchange, 'k', { a: 'x' }, { noWait })
      await channel.queueBind(queue, exchange, 'k', { a: 'y' }, { noWait })
      await channel.prefetch(1)
      expect(await reaches(queue, exchange, '', { a: 'x' })).to.equal(true)
      await channel.queueUnbind(queue, exchange, 'k', { a: 'x' })
      expect(await reaches(queue, exchange, '', { a: 'x' })).to.equal(false)
      expect(await reaches(queue, exchange, '', { a: 'y' })).to.equal(true)
    })
  }

  it('a binding is seen by another client, and its going too', async () => {
    const [exchange, queue] = [session.name(), await session.live.queue()]
    await channel.exchangeDeclare(exchange, 'direct')
    await channel.queueBind(queue, exchange, 'k')
    const witness = await session.live.witness()
    witness.publish(exchange, 'k', Buffer.from('from the other client'))
    await witness.waitForConfirms()
    expect(String((await channel.get(queue))?.body)).to.equal('from the other client')
    await channel.queueUnbind(queue, exchange, 'k')
    let returned = 0
    witness.on('return', () => void returned++)
    witness.publish(exchange, 'k', Buffer.from('nowhere to go'), { mandatory: true })
    await until(5_000, 'the return', () => returned === 1)
  })

  it('taking away a binding that is not there is no mistake', async () => {
    const queue = await session.live.queue()
    await channel.queueUnbind(queue, 'amq.direct', 'never bound')
    await channel.queueUnbind('no such queue', 'no such exchange', 'k')
    await channel.exchangeUnbind('amq.direct', 'amq.fanout', 'never bound')
    await channel.exchangeUnbind('no such exchange', 'nor this', 'k')
    expect(channel.state).to.equal('open')
  })

  it('a queue of the last declaration is meant by an empty name', async () => {
    const { queue } = await channel.queueDeclare()
    await channel.queueBind('', 'amq.direct', queue)
    expect(await reaches(queue, 'amq.direct', queue)).to.equal(true)
    expect(await channel.queuePurge('')).to.equal(0)
  })

  it('what cannot be sent is refused before it is, and names the argument', async () => {
    const queue = await session.live.queue()
    const { framesSent } = session.connection.stats
    const calls: [path: string, Promise<unknown>][] = [
      ['exchange', channel.exchangeDeclare('x'.repeat(256), 'direct')],
      ['type', channel.exchangeDeclare('e', 'ß'.repeat(128))],
      ['options.durable', channel.exchangeDeclare('e', 'direct', { durable: 1 as never })],
      ['options.transient', channel.exchangeDeclare('e', 'direct', { transient: true } as never)],
      ['routingKey', channel.queueBind(queue, 'amq.direct', 'x'.repeat(256))],
      ['args.a', channel.queueBind(queue, 'amq.headers', '', { a: Number.NaN })],
      ['destination', channel.exchangeBind(undefined as never, 'amq.direct')],
      ['queue', channel.queuePurge(7 as never)],
    ]
    for (const [path, call] of calls) expect((await rejectionOf(call, ArgumentError)).path).to.equal(path)
    expect(session.connection.stats.framesSent).to.equal(framesSent)
  })
})
