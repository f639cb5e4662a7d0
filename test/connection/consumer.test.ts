import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  type ConnectOptions,
  type ConsumeOptions,
  type Consumer,
  ConsumerClosedError,
  type Delivery,
} from '../../src/index.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import type { PublishProperties } from '../../src/protocol/properties.js'
import { HeldWork } from '../support/held-work.js'
import { expectWarning } from '../support/invariants/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { rejectionOf, thrownBy } from '../support/rejection.js'

let session: ScriptedSession
let channel: Channel
/** What the peer was told about deliveries: `ack 1`, `nack 2 requeue`, … */
let settlements: string[]
let lastTag: number

async function begin(options: ConnectOptions = {}): Promise<void> {
  session = await ScriptedSession.open({ closeTimeout: 500, ...options })
  channel = await session.connection.openChannel()
  settlements = []
  lastTag = 0
  session.peer.on('basic.ack', ({ method }) => {
    const { args } = method as MethodOf<'basic.ack'>
    settlements.push(`ack ${args.deliveryTag}${args.multiple ? ' multiple' : ''}`)
  })
  session.peer.on('basic.reject', ({ method }) => {
    const { args } = method as MethodOf<'basic.reject'>
    settlements.push(`reject ${args.deliveryTag}${args.requeue ? ' requeue' : ''}`)
  })
  session.peer.on('basic.nack', ({ method }) => {
    const { args } = method as MethodOf<'basic.nack'>
    settlements.push(`nack ${args.deliveryTag}${args.requeue ? ' requeue' : ''}`)
  })
}

/** The octets of the next delivery. */
function deliveryTo(
  consumer: { readonly consumerTag: string },
  body: string | Buffer,
  redelivered = false,
  properties: PublishProperties = {},
): Buffer {
  const args = { deliveryTag: ++lastTag, redelivered, exchange: 'e', routingKey: 'k' }
  const method = { name: 'basic.deliver', args: { consumerTag: consumer.consumerTag, ...args } } as const
  return session.peer.codec.content(channel.number, method, Buffer.from(body), properties)
}

function deliver(consumer: Consumer, ...bodies: string[]): void {
  session.peer.sendOctets(Buffer.concat(bodies.map(body => deliveryTo(consumer, body))))
}

function cancelByServer(consumer: Consumer): void {
  const { consumerTag } = consumer
  session.peer.send(channel.number, { name: 'basic.cancel', args: { consumerTag, noWait: true } })
}

function closeByServer(): void {
  const args = { replyCode: 404, replyText: 'NOT_FOUND', classId: 60, methodId: 20 }
  session.peer.send(channel.number, { name: 'channel.close', args })
}

/** Everything sent to the client so far has been read by it. */
async function settled(): Promise<void> {
  await (await session.connection.openChannel()).close()
}

/** Makes a call on the channel. The peer answers neither it nor cancels: returns the names of those that have come. */
async function callUnanswered(): Promise<string[]> {
  const came: string[] = []
  for (const name of ['queue.declare', 'basic.cancel'] as const) session.peer.on(name, () => came.push(name))
  void channel.queueDeclare('other')
  await until(2_000, 'the call', () => came.length === 1)
  return came
}

function answerDeclare(): void {
  const args = { queue: 'other', messageCount: 0, consumerCount: 0 }
  session.peer.send(channel.number, { name: 'queue.declare-ok', args })
}

function textOf(delivery: Delivery | undefined): string {
  return String(delivery?.body)
}

async function nextOf(iterator: AsyncIterator<Delivery, undefined>): Promise<string> {
  const { done, value } = await within(2_000, 'the next delivery', iterator.next())
  return done === true ? 'done' : textOf(value)
}

describe('Consumer, iterated over', () => {
  beforeEach(() => begin())
  afterEach(() => session.close())

  function consume(options: ConsumeOptions = {}): Promise<Consumer> {
    return channel.consume('q', options)
  }

  it('yields deliveries in order, whether they came before or after they were asked for', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    deliver(consumer, 'a', 'b')
    await settled()
    expect(await nextOf(iterator)).to.equal('a')
    expect(await nextOf(iterator)).to.equal('b')
    const waiting = nextOf(iterator)
    deliver(consumer, 'c', 'd')
    expect(await waiting).to.equal('c')
    expect(await nextOf(iterator)).to.equal('d')
  })

  it('gives each of several that wait at once a delivery of its own', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    const waiting = [nextOf(iterator), nextOf(iterator), nextOf(iterator)]
    deliver(consumer, 'a', 'b')
    await settled()
    void consumer.cancel()
    expect(await Promise.all(waiting)).to.deep.equal(['a', 'b', 'done'])
  })

  it('rejects all that wait when it ends otherwise than by itself', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    const waiting = [iterator.next(), iterator.next()]
    cancelByServer(consumer)
    for (const each of waiting) await rejectionOf(each, ConsumerClosedError)
  })

  it('leaves settling to the loop', async () => {
    const consumer = await consume()
    deliver(consumer, 'a', 'b', 'c')
    for await (const delivery of consumer) {
      if (textOf(delivery) === 'a') delivery.ack()
      if (textOf(delivery) === 'b') delivery.nack()
      if (textOf(delivery) === 'c') break
    }
    await settled()
    expect(settlements).to.deep.equal(['ack 1', 'nack 2'])
  })

  it('ends the loop when it is cancelled, by the consumer, the channel or the connection', async () => {
    const ends: ((consumer: Consumer) => Promise<unknown>)[] = [
      consumer => consumer.cancel(),
      consumer => channel.cancel(consumer),
      consumer => consumer[Symbol.asyncDispose](),
      () => channel.close(),
      () => session.connection.close(),
    ]
    for (const end of ends) {
      await session.close()
      await begin()
      const consumer = await consume()
      const looping = (async () => {
        const bodies: string[] = []
        for await (const delivery of consumer) bodies.push(textOf(delivery))
        return bodies
      })()
      deliver(consumer, 'a')
      await settled()
      await end(consumer)
      expect(await within(2_000, 'the end of the loop', looping)).to.deep.equal(['a'])
      expect((await consumer.closed).by).to.equal('client')
      expect(channel.state === 'open' || channel.state === 'closed').to.equal(true)
    }
  })

  it('stays at its end', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    await consumer.cancel()
    expect([await nextOf(iterator), await nextOf(iterator)]).to.deep.equal(['done', 'done'])
    expect(await iterator.return?.()).to.deep.equal({ done: true, value: undefined })
  })

  it('cancels when the loop is left, and hands back what was not yielded', async () => {
    let cancels = 0
    session.peer.on('basic.cancel', ({ channelNumber, method }) => {
      cancels++
      session.peer.sendOctets(deliveryTo(consumer, 'on its way already'))
      const { consumerTag } = (method as MethodOf<'basic.cancel'>).args
      session.peer.send(channelNumber, { name: 'basic.cancel-ok', args: { consumerTag } })
    })
    const consumer = await consume()
    deliver(consumer, 'a', 'b', 'c')
    await settled()
    let first: Delivery | undefined
    for await (const delivery of consumer) {
      first = delivery
      break
    }
    expect(await consumer.closed).to.deep.equal({ by: 'client' })
    expect(first?.ack()).to.equal(true)
    await settled()
    expect(cancels).to.equal(1)
    expect(settlements).to.deep.equal(['nack 2 requeue', 'nack 3 requeue', 'nack 4 requeue', 'ack 1'])
  })

  it('gives nothing of a stream back, which has no way to take it', async () => {
    const consumer = await consume()
    const headers = { 'x-stream-offset': 1 }
    const octets = ['a', 'b'].map(body => deliveryTo(consumer, body, false, { headers }))
    session.peer.sendOctets(Buffer.concat([...octets, deliveryTo(consumer, 'of a queue')]))
    await settled()
    for await (const _ of consumer) break
    await settled()
    expect(settlements).to.deep.equal(['nack 3 requeue'])
  })

  it('yields nothing that the broker has taken back by a recover: that comes again', async () => {
    const consumer = await consume()
    deliver(consumer, 'a', 'b')
    await settled()
    session.peer.on('basic.recover', ({ channelNumber }) =>
      session.peer.send(channelNumber, { name: 'basic.recover-ok', args: {} }),
    )
    await channel.recover()
    session.peer.sendOctets(deliveryTo(consumer, 'a', true))
    const yielded: string[] = []
    for await (const delivery of consumer) {
      yielded.push(textOf(delivery))
      expect(delivery.ack()).to.equal(true)
      break
    }
    expect(yielded).to.deep.equal(['a'])
    await settled()
    expect(settlements).to.deep.equal(['ack 3'])
  })

  it('cancels when the loop throws, and lets the error through', async () => {
    const consumer = await consume()
    deliver(consumer, 'a', 'b')
    await settled()
    const looping = (async () => {
      for await (const delivery of consumer) throw new RangeError(textOf(delivery))
    })()
    expect((await rejectionOf(looping, RangeError)).message).to.equal('a')
    expect((await consumer.closed).by).to.equal('client')
    await settled()
    expect(settlements).to.deep.equal(['nack 2 requeue'])
  })

  it('yields what can still be settled when the server cancels, and then throws', async () => {
    const consumer = await consume()
    deliver(consumer, 'a', 'b')
    cancelByServer(consumer)
    const bodies: string[] = []
    const looping = (async () => {
      for await (const delivery of consumer) {
        bodies.push(textOf(delivery))
        expect(delivery.ack()).to.equal(true)
      }
    })()
    const error = await rejectionOf(looping, ConsumerClosedError)
    expect(bodies).to.deep.equal(['a', 'b'])
    expect(error).to.include({ code: 'AMQP_CONSUMER_CLOSED', consumerTag: consumer.consumerTag })
    expect(error.message).to.match(/closed by the server: the server cancelled the consumer/)
    expect(await consumer.closed).to.equal(error.reason)
    expect(error.reason).to.include({ by: 'server', method: 'basic.cancel' })
    expect(channel.state).to.equal('open')
    await settled()
    expect(settlements).to.deep.equal(['ack 1', 'ack 2'])
  })

  it('hands back what was not yielded when the loop is left after the server has cancelled', async () => {
    const consumer = await consume()
    deliver(consumer, 'a', 'b', 'c')
    cancelByServer(consumer)
    await consumer.closed
    for await (const delivery of consumer) {
      delivery.ack()
      break
    }
    await settled()
    expect(settlements).to.deep.equal(['ack 1', 'nack 2 requeue', 'nack 3 requeue'])
  })

  it('answers a cancel of the server that wants to be answered', async () => {
    const consumer = await consume()
    const { consumerTag } = consumer
    session.peer.send(channel.number, { name: 'basic.cancel', args: { consumerTag, noWait: false } })
    expect((await session.peer.expect('basic.cancel-ok')).method.args).to.deep.equal({ consumerTag })
  })

  it('throws when its channel is closed by the server, without what the broker has back', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    deliver(consumer, 'a', 'b')
    const { value } = await iterator.next()
    closeByServer()
    const reason = await consumer.closed
    const error = await rejectionOf(iterator.next(), ConsumerClosedError)
    expect(error).to.include({ replyCode: 404, reason, cause: reason.error })
    expect(value).to.include({ state: 'stale' })
    expect(value?.ack()).to.equal(false)
    await rejectionOf(iterator.next(), ConsumerClosedError)
  })

  it('throws when the connection is lost', async () => {
    const consumer = await consume()
    const looping = (async () => {
      for await (const delivery of consumer) delivery.ack()
    })()
    session.peer.socket.resetAndDestroy()
    const error = await rejectionOf(looping, ConsumerClosedError)
    expect(error.reason).to.equal(await session.connection.closed)
    expect(error.reason.by).to.equal('transport')
  })

  it('still yields deliveries without acknowledgement when the connection is lost: nobody else will', async () => {
    const consumer = await consume({ noAck: true })
    deliver(consumer, 'a', 'b')
    await settled()
    session.peer.socket.resetAndDestroy()
    await session.connection.closed
    const iterator = consumer[Symbol.asyncIterator]()
    expect([await nextOf(iterator), await nextOf(iterator)]).to.deep.equal(['a', 'b'])
    await rejectionOf(iterator.next(), ConsumerClosedError)
  })

  it('still yields deliveries without acknowledgement that came before the cancel was complete', async () => {
    const consumer = await consume({ noAck: true })
    session.peer.on('basic.cancel', ({ channelNumber, method }) => {
      session.peer.sendOctets(deliveryTo(consumer, 'b'))
      const { consumerTag } = (method as MethodOf<'basic.cancel'>).args
      session.peer.send(channelNumber, { name: 'basic.cancel-ok', args: { consumerTag } })
    })
    deliver(consumer, 'a')
    await settled()
    await consumer.cancel()
    const iterator = consumer[Symbol.asyncIterator]()
    expect([await nextOf(iterator), await nextOf(iterator), await nextOf(iterator)]).to.deep.equal([
      'a',
      'b',
      'done',
    ])
  })

  it('can be iterated over once, and not at all with a handler', async () => {
    const consumer = await consume()
    consumer[Symbol.asyncIterator]()
    expect(thrownBy(() => consumer[Symbol.asyncIterator](), ArgumentError).message).to.include('already')
    const handled = await channel.consume('q', () => {})
    expect(thrownBy(() => handled[Symbol.asyncIterator](), ArgumentError).message).to.include('handler')
  })

  it('is cancelled once, however often it is asked to be', async () => {
    let cancels = 0
    session.peer.on('basic.cancel', ({ channelNumber, method }) => {
      cancels++
      const { consumerTag } = (method as MethodOf<'basic.cancel'>).args
      session.peer.send(channelNumber, { name: 'basic.cancel-ok', args: { consumerTag } })
    })
    const consumer = await consume()
    const reasons = await Promise.all([consumer.cancel(), consumer.cancel(), channel.cancel(consumer)])
    expect(new Set([...reasons, await consumer.cancel()]).size).to.equal(1)
    expect(cancels).to.equal(1)
  })

  it('hands nothing back before the broker has cancelled, and then everything, also what came in between', async () => {
    const consumer = await consume()
    const iterator = consumer[Symbol.asyncIterator]()
    const came = await callUnanswered()
    deliver(consumer, 'a', 'b')
    await settled()
    const cancelled = consumer.cancel()
    const next = nextOf(iterator)
    deliver(consumer, 'c')
    await settled()
    expect(settlements, 'while the cancel waits for its turn').to.deep.equal([])
    answerDeclare()
    await until(2_000, 'the cancel', () => came.includes('basic.cancel'))
    deliver(consumer, 'd')
    await settled()
    expect(settlements, 'while the cancel is not answered').to.deep.equal([])
    const { consumerTag } = consumer
    session.peer.send(channel.number, { name: 'basic.cancel-ok', args: { consumerTag } })
    expect(await within(2_000, 'the cancel', cancelled)).to.deep.equal({ by: 'client' })
    expect(await next).to.equal('done')
    await settled()
    expect(settlements).to.deep.equal([
      'nack 1 requeue',
      'nack 2 requeue',
      'nack 3 requeue',
      'nack 4 requeue',
    ])
  })

  it('can be cancelled when its channel, or its connection, is gone already', async () => {
    const consumer = await consume()
    closeByServer()
    expect(await consumer.closed).to.include({ by: 'server', code: 404 })
    expect(await consumer.cancel()).to.include({ by: 'server', code: 404 })
    channel = await session.connection.openChannel()
    const other = await consume()
    await session.connection.close()
    expect((await other.cancel()).by).to.equal('client')
  })

  it('can be cancelled while its channel closes', async () => {
    const consumer = await consume()
    const closing = channel.close()
    expect((await consumer.cancel()).by).to.equal('client')
    await closing
  })

  it('can be followed by another consumer with its tag', async () => {
    for (let round = 0; round < 2; round++) {
      const consumer = await consume({ consumerTag: 'mine' })
      await consumer.cancel()
    }
  })
})

describe('Consumer, with a handler', () => {
  beforeEach(() => begin())
  afterEach(() => session.close())

  async function settlementsAre(...expected: string[]): Promise<void> {
    await until(2_000, `the settlements ${expected}`, () => settlements.length >= expected.length)
    await settled()
    expect(settlements).to.deep.equal(expected)
  }

  it('calls it for each delivery in order, as many at a time as the concurrency', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 2 }, work.handle)
    deliver(consumer, 'a', 'b', 'c', 'd')
    await settled()
    expect(work.begun).to.deep.equal(['a', 'b'])
    work.end('b')
    await settlementsAre('ack 2')
    expect(work.begun).to.deep.equal(['a', 'b', 'c'])
    work.end('a')
    work.end('c')
    await settlementsAre('ack 2', 'ack 1', 'ack 3')
    work.end('d')
    await settlementsAre('ack 2', 'ack 1', 'ack 3', 'ack 4')
  })

  it('has the prefetch as its concurrency, and never more', async () => {
    for (const options of [{ prefetch: 3 }, { prefetch: 3, concurrency: 10 }]) {
      await session.close()
      await begin()
      const work = new HeldWork()
      const consumer = await channel.consume('q', options, work.handle)
      deliver(consumer, 'a', 'b', 'c', 'd', 'e')
      await settled()
      expect(work.begun).to.deep.equal(['a', 'b', 'c'])
    }
  })

  it('has no limit without a prefetch', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { prefetch: 0 }, work.handle)
    deliver(consumer, ...Array.from({ length: 300 }, (_, index) => String(index)))
    await settled()
    expect(work.begun).to.have.length(300)
  })

  it('can be given in the place of the options', async () => {
    const bodies: string[] = []
    const consumer = await channel.consume('q', delivery => bodies.push(textOf(delivery)))
    deliver(consumer, 'a')
    await settlementsAre('ack 1')
    expect(bodies).to.deep.equal(['a'])
  })

  it('is not called before whoever started the consumer has it', async () => {
    session.peer.on('basic.consume', ({ channelNumber }) => {
      const reply = { name: 'basic.consume-ok', args: { consumerTag: 't' } } as const
      const octets = session.peer.codec.method(channelNumber, reply)
      const delivery = deliveryTo({ consumerTag: 't' }, 'was there before')
      session.peer.sendOctets(Buffer.concat([octets, delivery]))
    })
    const bodies: string[] = []
    const consumer = await channel.consume('q', { consumerTag: 't' }, delivery => {
      bodies.push(textOf(delivery))
      expect(consumer.consumerTag).to.equal('t')
    })
    expect(bodies).to.deep.equal([])
    await settlementsAre('ack 1')
    expect(bodies).to.deep.equal(['was there before'])
  })

  it('is called for nothing more once the channel of a consumer that the server has cancelled is gone', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 1 }, work.handle)
    deliver(consumer, 'a', 'b', 'c')
    await settled()
    cancelByServer(consumer)
    await consumer.closed
    closeByServer()
    await channel.closed
    work.end('a')
    await settled()
    expect(work.begun).to.deep.equal(['a'])
  })

  it('that fails while the connection closes leaves its delivery, which goes back; none begins any more', async () => {
    const outcomes: string[] = []
    channel.on('handlerError', (_error, _delivery, outcome) => outcomes.push(outcome))
    await channel.confirmSelect()
    channel.publish('', 'q', 'unconfirmed')
    const begun: string[] = []
    let fail = (): void => {}
    const consumer = await channel.consume('q', { concurrency: 1 }, async delivery => {
      begun.push(textOf(delivery))
      await new Promise<void>((_, reject) => {
        fail = () => reject(new Error('it is closing'))
      })
    })
    session.peer.sendOctets(deliveryTo(consumer, 'a', true))
    await until(2_000, 'the handler', () => begun.length === 1)
    const closed = session.connection.close()
    deliver(consumer, 'b')
    fail()
    await closed
    expect(begun).to.deep.equal(['a'])
    expect(outcomes).to.deep.equal(['left'])
    expect(settlements).to.deep.equal([])
  })

  it('that fails with nobody listening is told of by one process warning for each outcome on a channel', async () => {
    expectWarning(
      /a consumer's handler \(message rejected, nobody listens to 'handlerError'\) threw: Error: broken/,
    )
    const consumer = await channel.consume('q', { onError: 'reject' }, () => {
      throw new Error('broken')
    })
    deliver(consumer, 'a', 'b')
    await settlementsAre('reject 1', 'reject 2')
  })

  it('that fails on a message of a stream has it acknowledged: a stream takes nothing back', async () => {
    channel.on('handlerError', () => {})
    const consumer = await channel.consume('q', () => {
      throw new Error('broken')
    })
    session.peer.sendOctets(deliveryTo(consumer, 'a', false, { headers: { 'x-stream-offset': 7 } }))
    await settlementsAre('ack 1')
  })

  it('goes on with the next delivery whatever a handler throws, and tells of it', async () => {
    const failures: string[] = []
    channel.on('handlerError', (error, delivery) => failures.push(`${String(error)} at ${textOf(delivery)}`))
    const consumer = await channel.consume('q', delivery => {
      if (textOf(delivery) !== 'good') throw new Error('broken')
    })
    const octets = ['bad', 'good', 'good'].map(body => deliveryTo(consumer, body))
    session.peer.sendOctets(Buffer.concat([...octets, deliveryTo(consumer, 'bad again', true)]))
    await settlementsAre('reject 1 requeue', 'ack 2', 'ack 3', 'reject 4')
    expect(failures).to.deep.equal(['Error: broken at bad', 'Error: broken at bad again'])
  })

  it('does the same for one that rejects', async () => {
    const work = new HeldWork()
    const failures: unknown[] = []
    channel.on('handlerError', error => failures.push(error))
    const consumer = await channel.consume('q', { onError: 'reject' }, work.handle)
    deliver(consumer, 'a')
    await until(2_000, 'the handler', () => work.begun.length === 1)
    work.fail('a')
    await settlementsAre('reject 1')
    expect(failures.map(String)).to.deep.equal(['Error: a failed'])
  })

  it('never acknowledges by itself without autoSettle', async () => {
    const seen: Delivery[] = []
    const consumer = await channel.consume('q', { autoSettle: false }, delivery => seen.push(delivery))
    deliver(consumer, 'a')
    await settled()
    expect(settlements).to.deep.equal([])
    expect(seen[0]?.ack()).to.equal(true)
    await settlementsAre('ack 1')
  })

  it('hands back what was not begun when it is cancelled, and lets running handlers settle', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 1 }, work.handle)
    deliver(consumer, 'a', 'b', 'c')
    await settled()
    const cancelled = consumer.cancel()
    await settlementsAre('nack 2 requeue', 'nack 3 requeue')
    work.end('a')
    expect(await within(2_000, 'the cancel', cancelled)).to.deep.equal({ by: 'client' })
    await settlementsAre('nack 2 requeue', 'nack 3 requeue', 'ack 1')
    expect(work.begun).to.deep.equal(['a'])
  })

  it('begins nothing more once it is cancelled, and hands back what came when the broker has cancelled', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 2 }, work.handle)
    const came = await callUnanswered()
    deliver(consumer, 'a')
    await settled()
    const cancelled = consumer.cancel()
    deliver(consumer, 'b', 'c')
    await settled()
    work.end('a')
    await settlementsAre('ack 1')
    expect(work.begun).to.deep.equal(['a'])
    answerDeclare()
    await until(2_000, 'the cancel', () => came.includes('basic.cancel'))
    const { consumerTag } = consumer
    session.peer.send(channel.number, { name: 'basic.cancel-ok', args: { consumerTag } })
    await within(2_000, 'the cancel', cancelled)
    await settlementsAre('ack 1', 'nack 2 requeue', 'nack 3 requeue')
    expect(work.begun).to.deep.equal(['a'])
  })

  it('works on what came before the server cancelled', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 1 }, work.handle)
    deliver(consumer, 'a', 'b')
    cancelByServer(consumer)
    expect((await consumer.closed).by).to.equal('server')
    work.end('a')
    await settlementsAre('ack 1')
    work.end('b')
    await settlementsAre('ack 1', 'ack 2')
  })

  it('hands back what was not begun when it is cancelled after the server has cancelled', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 1 }, work.handle)
    deliver(consumer, 'a', 'b')
    cancelByServer(consumer)
    await consumer.closed
    const cancelled = consumer.cancel()
    await settlementsAre('nack 2 requeue')
    work.end('a')
    await settlementsAre('nack 2 requeue', 'ack 1')
    expect((await within(2_000, 'the cancel', cancelled)).by).to.equal('server')
    expect(work.begun).to.deep.equal(['a'])
  })

  it('begins nothing more when the channel is gone', async () => {
    const work = new HeldWork()
    const consumer = await channel.consume('q', { concurrency: 1 }, work.handle)
    deliver(consumer, 'a', 'b')
    await settled()
    closeByServer()
    await consumer.closed
    work.end('a')
    await settled()
    expect(work.begun).to.deep.equal(['a'])
    expect(settlements).to.deep.equal([])
  })

  it('may cancel its consumer, close its channel and its connection', async () => {
    const deeds: ((consumer: Consumer) => Promise<unknown>)[] = [
      consumer => consumer.cancel(),
      () => channel.close(),
      () => session.connection.close(),
    ]
    for (const deed of deeds) {
      await session.close()
      await begin()
      const consumer: Consumer = await channel.consume('q', () => deed(consumer))
      deliver(consumer, 'a')
      expect((await within(2_000, 'the end of the consumer', consumer.closed)).by).to.equal('client')
    }
  })

  it('may publish and call from inside', async () => {
    const declared: string[] = []
    const consumer = await channel.consume('q', async () => {
      void channel.publish('', 'q', 'from inside')
      declared.push((await channel.queueDeclare('inner')).queue)
    })
    deliver(consumer, 'a')
    await settlementsAre('ack 1')
    expect(declared).to.deep.equal(['inner'])
  })
})

describe('Consumer, with nothing else that bounds what it is sent', () => {
  const BODY = Buffer.alloc(10_000, 'x')
  const COUNT = 2_000
  const LIMIT = 200_000

  beforeEach(() => begin({ maxReceiveBuffered: LIMIT }))
  afterEach(async () => {
    // Who does not read does not see the end of the stream.
    void session.connection.close()
    await session.close()
  })

  function flood(consumer: Consumer): void {
    for (let sent = 0; sent < COUNT; sent++) session.peer.sendOctets(deliveryTo(consumer, BODY))
  }

  /** Resolves when nothing more is being read, after so many octets at least. */
  async function paused(atLeast = LIMIT - BODY.length): Promise<void> {
    let before = -1
    await until(5_000, 'a pause in reading', async () => {
      const { octetsReceived } = session.connection.stats
      const same = octetsReceived === before
      before = octetsReceived
      await new Promise(resolve => setTimeout(resolve, 20))
      return same && octetsReceived > atLeast
    })
  }

  it('stops reading above maxReceiveBuffered, and loses nothing', async () => {
    const consumer = await channel.consume('q', { noAck: true })
    flood(consumer)
    await paused()
    const { octetsReceived } = session.connection.stats
    expect(octetsReceived).to.be.below(LIMIT + 200_000)
    let received = 0
    for await (const delivery of consumer) {
      expect(delivery.deliveryTag).to.equal(++received)
      if (received === COUNT) break
    }
    expect(session.connection.stats.octetsReceived).to.be.above(COUNT * BODY.length)
  })

  it('reads on when half of it is taken', async () => {
    const consumer = await channel.consume('q', { noAck: true })
    flood(consumer)
    await paused()
    const iterator = consumer[Symbol.asyncIterator]()
    const before = session.connection.stats.octetsReceived
    const limit = LIMIT / BODY.length
    for (let taken = 0; taken < limit / 2 - 2; taken++) await iterator.next()
    await paused()
    expect(session.connection.stats.octetsReceived).to.equal(before)
    for (let taken = 0; taken < limit / 2; taken++) await iterator.next()
    await until(2_000, 'more', () => session.connection.stats.octetsReceived > before)
  })

  it('does not wait for a handler that is slow, either', async () => {
    let release = (): void => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    let handled = 0
    const consumer = await channel.consume('q', { noAck: true, concurrency: 1 }, async () => {
      handled++
      await held
    })
    flood(consumer)
    await paused()
    expect(handled).to.equal(1)
    release()
    await until(5_000, 'all deliveries', () => handled === COUNT)
    expect(settlements).to.deep.equal([])
  })

  it('can be cancelled while reading is paused', async () => {
    const consumer = await channel.consume('q', { noAck: true })
    flood(consumer)
    await paused()
    expect(await within(5_000, 'the cancel', consumer.cancel())).to.deep.equal({ by: 'client' })
    let received = 0
    for await (const _ of consumer) received++
    expect(received).to.equal(COUNT)
  })

  it('does not keep its channel, or its connection, from closing in order', async () => {
    for (const close of [() => channel.close(), () => session.connection.close()]) {
      await session.close()
      await begin({ maxReceiveBuffered: LIMIT })
      const consumer = await channel.consume('q', { noAck: true })
      flood(consumer)
      await paused()
      expect(await within(2_000, 'the close', close())).to.deep.equal({ by: 'client' })
      expect(await consumer.closed).to.deep.equal({ by: 'client' })
    }
  })

  it('stops reading with acknowledgements too, when there is no prefetch', async () => {
    const consumer = await channel.consume('q', { prefetch: 0 })
    flood(consumer)
    await paused()
    expect(session.connection.stats.octetsReceived).to.be.below(LIMIT + 200_000)
    let received = 0
    for await (const delivery of consumer) {
      expect(delivery.deliveryTag).to.equal(++received)
      if (received === COUNT) break
    }
  })

  it('stops reading also when the messages are empty', async () => {
    const consumer = await channel.consume('q', { noAck: true })
    const many = 20_000
    session.peer.sendOctets(Buffer.concat(Array.from({ length: many }, () => deliveryTo(consumer, ''))))
    await paused(10_000)
    expect(session.connection.stats.framesReceived).to.be.below(many)
    const iterator = consumer[Symbol.asyncIterator]()
    for (let taken = 0; taken < many; taken++) await iterator.next()
  })
})
