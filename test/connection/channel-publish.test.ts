import { expect } from 'chai'
import {
  type Channel,
  type ConnectOptions,
  NackedError,
  ReturnedError,
  type ReturnedMessage,
  UnconfirmedError,
} from '../../src/index.js'
import { ScriptedSession } from '../support/peer/scripted-session.js'
import { until } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

describe('publish', () => {
  let session: ScriptedSession

  async function begin(options: ConnectOptions = {}): Promise<void> {
    session = await ScriptedSession.open({ closeTimeout: 300, ...options })
  }

  afterEach(() => session.close())

  function settle(
    channel: Channel,
    name: 'basic.ack' | 'basic.nack',
    deliveryTag: number,
    multiple = false,
  ): void {
    if (name === 'basic.ack') session.peer.send(channel.number, { name, args: { deliveryTag, multiple } })
    else session.peer.send(channel.number, { name, args: { deliveryTag, multiple, requeue: false } })
  }

  function comeBack(channel: Channel, routingKey: string, body: string, properties = {}): void {
    const args = { replyCode: 312, replyText: 'NO_ROUTE', exchange: 'e', routingKey }
    const returned = { name: 'basic.return', args } as const
    session.peer.sendContent(channel.number, returned, Buffer.from(body), { deliveryMode: 2, ...properties })
  }

  /** Notes how each of these promises settles. */
  function watch(publishes: Promise<void>[]): string[] {
    const outcomes = publishes.map(() => 'pending')
    publishes.forEach((publish, index) => {
      publish.then(
        () => {
          outcomes[index] = 'confirmed'
        },
        (error: Error) => {
          outcomes[index] = error.name
        },
      )
    })
    return outcomes
  }

  describe('on a plain channel', () => {
    beforeEach(() => begin())

    it('sends the message as it is, persistent unless it says otherwise', async () => {
      const channel = await session.connection.openChannel()
      await channel.publish('e', 'k', 'hello', { messageId: '1', headers: { n: 1 }, mandatory: true })
      const { method, content } = await session.peer.expect('basic.publish')
      expect(method.args).to.deep.equal({ exchange: 'e', routingKey: 'k', mandatory: true, immediate: false })
      expect(content?.body.toString()).to.equal('hello')
      expect(JSON.parse(JSON.stringify(content?.properties))).to.deep.equal({
        messageId: '1',
        headers: { n: 1 },
        deliveryMode: 2,
      })
      await channel.publish('', 'q', Buffer.alloc(0))
      const plain = await session.peer.expect('basic.publish')
      expect(plain.content?.properties).to.deep.equal({ deliveryMode: 2 })
      expect(plain.method.args.mandatory).to.equal(false)
      await channel.publish('', 'q', '', { deliveryMode: 1 })
      expect((await session.peer.expect('basic.publish')).content?.properties).to.deep.equal({
        deliveryMode: 1,
      })
    })

    it('takes text as UTF-8, buffers, and views of a part of a buffer', async () => {
      const channel = await session.connection.openChannel()
      const octets = new Uint8Array([1, 2, 3, 4])
      const bodies: [body: string | Uint8Array, expected: Buffer][] = [
        ['π€😀', Buffer.from('π€😀')],
        [Buffer.from('buffer'), Buffer.from('buffer')],
        [octets, Buffer.from([1, 2, 3, 4])],
        [octets.subarray(1, 3), Buffer.from([2, 3])],
        ['', Buffer.alloc(0)],
      ]
      for (const [body, expected] of bodies) {
        await channel.publish('', 'q', body)
        const { content } = await session.peer.expect('basic.publish')
        expect(content?.body).to.deep.equal(expected)
      }
    })

    it('does not change the options that it was given', async () => {
      const channel = await session.connection.openChannel()
      const options = Object.freeze({ messageId: '1', headers: Object.freeze({ n: 1 }) })
      await channel.publish('', 'q', 'x', options)
      expect(options).to.deep.equal({ messageId: '1', headers: { n: 1 } })
    })

    it('keeps the order of publishes and calls', async () => {
      const channel = await session.connection.openChannel()
      const order: string[] = []
      session.peer.on('basic.publish', ({ content }) => void order.push(String(content?.body)))
      session.peer.on('exchange.declare', ({ channelNumber }) => {
        order.push('declare')
        session.peer.send(channelNumber, { name: 'exchange.declare-ok', args: {} })
      })
      void channel.publish('', 'q', '1')
      const declared = channel.exchangeDeclare('a', 'direct')
      void channel.publish('', 'q', '2')
      const again = channel.exchangeDeclare('b', 'direct')
      void channel.publish('', 'q', '3')
      await Promise.all([declared, again])
      await until(2_000, 'the last publish', () => order.length === 5)
      expect(order).to.deep.equal(['1', 'declare', '2', 'declare', '3'])
    })

    it('resolves what had to wait behind a call, when it is sent', async () => {
      const channel = await session.connection.openChannel()
      let asked = 0
      const answer = (): void => session.peer.send(channel.number, { name: 'exchange.declare-ok', args: {} })
      session.peer.on('exchange.declare', () => {
        if (++asked === 2) answer()
      })
      void channel.exchangeDeclare('a', 'direct')
      void channel.exchangeDeclare('b', 'direct')
      const publish = channel.publish('', 'q', 'x')
      const outcomes = watch([publish])
      await until(2_000, 'the first call', () => asked === 1)
      expect(outcomes).to.deep.equal(['pending'])
      answer()
      await publish
    })
  })

  describe('on a confirm channel', () => {
    let channel: Channel

    beforeEach(async () => {
      await begin()
      channel = await session.connection.openChannel({ confirm: true })
    })

    it('resolves when the broker confirms, in whatever order', async () => {
      const publishes = ['1', '2', '3', '4', '5'].map(body => channel.publish('e', 'k', body))
      const outcomes = watch(publishes)
      settle(channel, 'basic.ack', 4)
      await publishes[3]
      expect(outcomes).to.deep.equal(['pending', 'pending', 'pending', 'confirmed', 'pending'])
      settle(channel, 'basic.ack', 2, true)
      await publishes[1]
      expect(outcomes).to.deep.equal(['confirmed', 'confirmed', 'pending', 'confirmed', 'pending'])
      settle(channel, 'basic.ack', 0, true)
      await Promise.all(publishes)
    })

    it('rejects when the broker refuses', async () => {
      const publishes = ['1', '2', '3'].map(body => channel.publish('e', 'k', body))
      settle(channel, 'basic.nack', 1)
      const error = await rejectionOf(publishes[0] as Promise<void>, NackedError)
      expect(error).to.include({ code: 'AMQP_NACKED' })
      expect(error.message).to.include("exchange 'e' with routing key 'k'")
      settle(channel, 'basic.nack', 3, true)
      await rejectionOf(publishes[1] as Promise<void>, NackedError)
      await rejectionOf(publishes[2] as Promise<void>, NackedError)
    })

    it('rejects with the message that came back, once it is confirmed', async () => {
      const publish = channel.publish('e', 'nowhere', 'lost', { mandatory: true, messageId: '1' })
      const outcomes = watch([publish])
      comeBack(channel, 'nowhere', 'lost', { messageId: '1' })
      await channel.exchangeDeclare('e', 'direct')
      expect(outcomes).to.deep.equal(['pending'])
      settle(channel, 'basic.ack', 1)
      const error = await rejectionOf(publish, ReturnedError)
      expect(error).to.include({ code: 'AMQP_RETURNED', replyCode: 312, replyText: 'NO_ROUTE' })
      const { returned } = error
      expect(returned).to.include({
        replyCode: 312,
        replyText: 'NO_ROUTE',
        exchange: 'e',
        routingKey: 'nowhere',
      })
      expect(returned.body.toString()).to.equal('lost')
      expect(returned.properties).to.deep.equal({ messageId: '1', deliveryMode: 2 })
    })

    it('rejects the right one of several, whatever the order of confirms; of those alike the first confirmed', async () => {
      const publishes = ['a', 'b', 'c', 'b'].map(body => channel.publish('e', 'k', body, { mandatory: true }))
      const outcomes = watch(publishes)
      comeBack(channel, 'k', 'b')
      settle(channel, 'basic.ack', 4)
      settle(channel, 'basic.ack', 1)
      settle(channel, 'basic.ack', 3)
      settle(channel, 'basic.ack', 2)
      await Promise.allSettled(publishes)
      expect(outcomes).to.deep.equal(['confirmed', 'confirmed', 'confirmed', 'ReturnedError'])
    })

    it('tells of a message that belongs to no publish by an event', async () => {
      const publish = channel.publish('e', 'k', 'mine', { mandatory: true })
      const told = new Promise<ReturnedMessage>(resolve => channel.once('returned', resolve))
      comeBack(channel, 'k', 'not mine')
      expect((await told).body.toString()).to.equal('not mine')
      settle(channel, 'basic.ack', 1)
      await publish
    })

    it('ignores confirms of what was never published, and those that come twice', async () => {
      const publish = channel.publish('e', 'k', 'x')
      settle(channel, 'basic.ack', 99)
      settle(channel, 'basic.ack', 1)
      settle(channel, 'basic.ack', 1)
      settle(channel, 'basic.nack', 1, true)
      await publish
      await channel.exchangeDeclare('e', 'direct')
    })

    it('waits for the confirms when the channel is closed', async () => {
      const publish = channel.publish('e', 'k', 'x')
      const outcomes = watch([publish])
      const closing = channel.close()
      await session.peer.expect('basic.publish')
      expect(outcomes).to.deep.equal(['pending'])
      settle(channel, 'basic.ack', 1)
      await publish
      expect(await closing).to.deep.equal({ by: 'client' })
    })

    it('gives up on the confirms when the channel is not closed in time, and says how many', async () => {
      const publish = channel.publish('e', 'k', 'x')
      const reason = await channel.close()
      expect(reason.text).to.match(/1 publishes unconfirmed/)
      expect(await rejectionOf(publish, UnconfirmedError)).to.include({ outcome: 'unknown' })
    })
  })

  it('rejects when no confirm comes in time, and ignores one that is late', async () => {
    await begin({ confirmTimeout: 60 })
    const channel = await session.connection.openChannel({ confirm: true })
    const first = channel.publish('e', 'k', 'x')
    const error = await rejectionOf(first, UnconfirmedError)
    expect(error).to.include({ code: 'AMQP_UNCONFIRMED', outcome: 'unknown', exchange: 'e', routingKey: 'k' })
    expect(error.message).to.include('no confirm within 60 ms')
    const second = channel.publish('e', 'k', 'y')
    settle(channel, 'basic.ack', 1)
    settle(channel, 'basic.ack', 2)
    await second
  })

  it('has at most maxUnconfirmed publishes on their way', async () => {
    await begin()
    const channel = await session.connection.openChannel({ confirm: true, maxUnconfirmed: 3 })
    const received: string[] = []
    session.peer.on('basic.publish', ({ content }) => void received.push(String(content?.body)))
    const publishes = ['1', '2', '3', '4', '5'].map(body => channel.publish('e', 'k', body))
    await until(2_000, 'three publishes', () => received.length === 3)
    await (await session.connection.openChannel()).exchangeDeclare('a round trip', 'direct')
    expect(received).to.deep.equal(['1', '2', '3'])
    settle(channel, 'basic.ack', 2)
    await until(2_000, 'a fourth publish', () => received.length === 4)
    settle(channel, 'basic.ack', 5)
    settle(channel, 'basic.ack', 4, true)
    await until(2_000, 'all publishes', () => received.length === 5)
    settle(channel, 'basic.ack', 5)
    await Promise.all(publishes)
  })

  it('says of what was cut off whether it may have arrived', async () => {
    await begin()
    const channel = await session.connection.openChannel({ confirm: true, maxUnconfirmed: 2 })
    const publishes = ['1', '2', '3', '4'].map(body => channel.publish('e', 'k', body))
    await session.peer.expect('basic.publish')
    session.peer.socket.resetAndDestroy()
    const { error: cause } = await session.connection.closed
    const errors = await Promise.all(publishes.map(publish => rejectionOf(publish, UnconfirmedError)))
    expect(errors.map(error => error.outcome)).to.deep.equal(['unknown', 'unknown', 'not-sent', 'not-sent'])
    for (const error of errors) expect(error.cause).to.equal(cause)
    expect(errors[0]?.message).to.match(/may or may not have arrived: closed by the transport/)
    expect(errors[3]?.message).to.match(/was not sent: closed by the transport/)
  })

  it('says that it was not sent of what stood in line for the socket', async () => {
    await begin({ highWaterMark: 64 * 1024 * 1024 })
    const channel = await session.connection.openChannel({ confirm: true })
    session.peer.socket.pause()
    const publishes = Array.from({ length: 400 }, () => channel.publish('e', 'k', Buffer.alloc(50_000)))
    let sent = -1
    await until(5_000, 'a standstill', async () => {
      const before = sent
      sent = session.connection.stats.octetsSent
      await new Promise(resolve => setTimeout(resolve, 30))
      return before === sent
    })
    session.peer.socket.destroy()
    const outcomes = await Promise.all(
      publishes.map(async publish => (await rejectionOf(publish, UnconfirmedError)).outcome),
    )
    const unknown = outcomes.indexOf('not-sent')
    expect(unknown).to.be.within(1, 399)
    expect(outcomes.slice(unknown).every(outcome => outcome === 'not-sent')).to.equal(true)
    // What was given to the socket, and the message that was on its way into it.
    expect(unknown).to.be.at.most(Math.ceil(session.connection.stats.octetsSent / 50_000))
  })
})
