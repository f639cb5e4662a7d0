import { connect as connectSocket } from 'node:net'
import type amqplib from 'amqplib'
import { expect } from 'chai'
import {
  ArgumentError,
  type Channel,
  ChannelClosedError,
  type Delivery,
  type ReturnedMessage,
} from '../../src/index.js'
import { BROKER_START_MS } from '../support/live-session.js'
import { until, within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { MethodsSession } from './methods-session.js'

describe('transactions, with RabbitMQ', () => {
  let session: MethodsSession
  let witness: amqplib.ConfirmChannel
  let channel: Channel
  let queue: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  beforeEach(async () => {
    session = await MethodsSession.open()
    channel = session.channel
    queue = await session.sharedQueue()
    witness = await session.live.witness()
    await channel.txSelect()
  })

  afterEach(() => session.close())

  /** Messages that nobody has, as the other client sees it. */
  async function ready(): Promise<number> {
    return (await witness.checkQueue(queue)).messageCount
  }

  async function becomes(count: number): Promise<void> {
    await until(5_000, `${count} messages in the queue`, async () => (await ready()) === count)
  }

  async function fill(count: number): Promise<void> {
    for (let each = 0; each < count; each++) witness.sendToQueue(queue, Buffer.from(String(each)))
    await witness.waitForConfirms()
  }

  async function fetch(from = channel): Promise<Delivery> {
    const delivery = await from.get(queue)
    if (delivery === undefined) throw new Error('nothing in the queue')
    return delivery
  }

  async function fetchMany(count: number): Promise<Delivery[]> {
    return Promise.all(Array.from({ length: count }, () => fetch()))
  }

  function statesOf(deliveries: readonly Delivery[]): string[] {
    return deliveries.map(({ state }) => state)
  }

  /** Everything that the channel was told before has been done. */
  async function roundTrip(): Promise<void> {
    await channel.queueUnbind('no such queue', 'amq.direct')
  }

  describe('of publishes', () => {
    it('appear on commit, all of them and in order', async () => {
      for (const body of ['a', 'b', 'c']) await channel.publish('', queue, body)
      await roundTrip()
      expect(await ready()).to.equal(0)
      expect(await channel.txCommit()).to.equal(undefined)
      await becomes(3)
      const bodies = [await fetch(), await fetch(), await fetch()].map(({ body }) => String(body))
      expect(bodies).to.deep.equal(['a', 'b', 'c'])
    })

    it('vanish on rollback, and only those since the last commit', async () => {
      await channel.publish('', queue, 'kept')
      await channel.txCommit()
      await channel.publish('', queue, 'dropped')
      expect(await channel.txRollback()).to.equal(undefined)
      await channel.publish('', queue, 'kept too')
      await channel.txCommit()
      await becomes(2)
      expect([String((await fetch()).body), String((await fetch()).body)]).to.deep.equal(['kept', 'kept too'])
    })

    it('vanish with the channel', async () => {
      await channel.publish('', queue, 'dropped')
      expect(await channel.close()).to.deep.equal({ by: 'client' })
      expect(await ready()).to.equal(0)
    })

    it('come back on commit, when no queue takes them', async () => {
      const returned: ReturnedMessage[] = []
      channel.on('returned', message => returned.push(message))
      await channel.publish('amq.direct', 'nowhere', 'lost', { mandatory: true })
      await roundTrip()
      expect(returned).to.have.length(0)
      await channel.txCommit()
      await until(5_000, 'the return', () => returned.length === 1)
      expect(returned[0]).to.include({ replyCode: 312, exchange: 'amq.direct', routingKey: 'nowhere' })
    })

    it('need not be awaited: what is issued behind a commit is part of the next', async () => {
      void channel.publish('', queue, '1')
      const first = channel.txCommit()
      void channel.publish('', queue, '2')
      const second = channel.txRollback()
      void channel.publish('', queue, '3')
      const third = channel.txCommit()
      await within(5_000, 'commits and rollback', Promise.all([first, second, third]))
      await becomes(2)
      expect([String((await fetch()).body), String((await fetch()).body)]).to.deep.equal(['1', '3'])
    })

    it('beside a commit that is not answered cost the connection (504), which is why they wait', async () => {
      const { hostname, port } = new URL(session.live.url)
      const socket = connectSocket({ host: hostname, port: Number(port || 5672) })
      const careless = await MethodsSession.open({ stream: () => socket })
      await careless.channel.txSelect()
      for (let each = 0; each < 200; each++) void careless.channel.publish('', queue, 'x')
      await careless.channel.queueUnbind('no such queue', 'amq.direct')
      // tx.commit and basic.qos at once, on channel 1: no method of ours does that.
      socket.write(Buffer.from('01000100000004005a0014ce' + '0100010000000b003c000a00000000000100ce', 'hex'))
      const reason = await within(5_000, 'the end of the connection', careless.connection.closed)
      expect(reason).to.include({ by: 'server', code: 504, method: 'basic.qos' })
      await careless.close()
    })
  })

  describe('of settlements', () => {
    const forms: [what: string, settle: (delivery: Delivery) => boolean, left: number][] = [
      ['acks', delivery => delivery.ack(), 0],
      ['nacks', delivery => delivery.nack(), 0],
      ['rejects', delivery => delivery.reject(), 0],
      ['nacks with requeue', delivery => delivery.nack({ requeue: true }), 2],
    ]
    for (const [what, settle, left] of forms) {
      it(`take effect on commit: ${what}`, async () => {
        await fill(2)
        const deliveries = await fetchMany(2)
        expect(deliveries.map(settle)).to.deep.equal([true, true])
        expect(statesOf(deliveries)).to.deep.equal(['settled', 'settled'])
        await channel.txCommit()
        expect(deliveries.map(settle)).to.deep.equal([false, false])
        await becomes(left)
        await channel.close()
        expect(await ready()).to.equal(left)
      })

      it(`do not without: ${what}`, async () => {
        await fill(2)
        const deliveries = await fetchMany(2)
        expect(deliveries.map(settle)).to.deep.equal([true, true])
        await roundTrip()
        expect(await ready()).to.equal(0)
        await channel.close()
        await becomes(2)
      })

      it(`are taken back by a rollback, and may be made again: ${what}`, async () => {
        await fill(2)
        const deliveries = await fetchMany(2)
        expect(deliveries.map(settle)).to.deep.equal([true, true])
        await channel.txRollback()
        expect(statesOf(deliveries)).to.deep.equal(['unsettled', 'unsettled'])
        // A rollback does not deliver again.
        expect(await ready()).to.equal(0)
        expect(deliveries.map(delivery => delivery.ack())).to.deep.equal([true, true])
        await channel.txCommit()
        expect(statesOf(deliveries)).to.deep.equal(['settled', 'settled'])
        await channel.close()
        expect(await ready()).to.equal(0)
      })
    }

    it('of one that comes with multiple, and of those it covers, after a rollback in any order', async () => {
      await fill(4)
      const deliveries = await fetchMany(4)
      expect(deliveries[1]?.ack()).to.equal(true)
      expect(deliveries[2]?.ack({ multiple: true })).to.equal(true)
      expect(statesOf(deliveries)).to.deep.equal(['settled', 'settled', 'settled', 'unsettled'])
      await channel.txRollback()
      expect(statesOf(deliveries)).to.deep.equal(Array(4).fill('unsettled'))
      expect(deliveries[3]?.nack({ requeue: true })).to.equal(true)
      expect(deliveries[1]?.ack({ multiple: true })).to.equal(true)
      expect(deliveries[2]?.ack()).to.equal(true)
      await channel.txCommit()
      await becomes(1)
      expect(String((await fetch()).body)).to.equal('3')
    })

    it('go behind a commit that is not answered, and need not be awaited', async () => {
      await fill(3)
      const [first, second, third] = await fetchMany(3)
      expect(first?.ack()).to.equal(true)
      const commit = channel.txCommit()
      expect(second?.ack()).to.equal(true)
      const rollback = channel.txRollback()
      expect(third?.ack()).to.equal(true)
      const last = channel.txCommit()
      await within(5_000, 'commits and rollback', Promise.all([commit, rollback, last]))
      expect([first?.state, second?.state, third?.state]).to.deep.equal(['settled', 'unsettled', 'settled'])
      await channel.close()
      await becomes(1)
      const left = await witness.get(queue, { noAck: true })
      expect(left && String(left.content)).to.equal('1')
    })

    it('are of consumers too, and free the prefetch on commit', async () => {
      await fill(4)
      const deliveries: Delivery[] = []
      await channel.consume(queue, { prefetch: 2, autoSettle: false }, delivery => deliveries.push(delivery))
      await until(5_000, 'two deliveries', () => deliveries.length === 2)
      for (const delivery of [...deliveries]) expect(delivery.ack()).to.equal(true)
      await channel.txCommit()
      await until(5_000, 'two more', () => deliveries.length === 4)
      expect(deliveries[3]?.ack({ multiple: true })).to.equal(true)
      await channel.txRollback()
      expect(statesOf(deliveries)).to.deep.equal(['settled', 'settled', 'unsettled', 'unsettled'])
      expect(deliveries[3]?.ack({ multiple: true })).to.equal(true)
      await channel.txCommit()
      await channel.close()
      expect(await ready()).to.equal(0)
    })
  })

  it('publish and acknowledge together, or do neither', async () => {
    await fill(2)
    for (const end of ['rollback', 'commit'] as const) {
      const delivery = await fetch()
      await channel.publish('', queue, `re: ${delivery.body}`)
      expect(delivery.ack()).to.equal(true)
      if (end === 'commit') await channel.txCommit()
      else await channel.txRollback()
    }
    await channel.close()
    await becomes(2)
    const bodies = [await witness.get(queue), await witness.get(queue)].map(
      message => message && String(message.content),
    )
    expect(bodies).to.deep.equal(['0', 're: 1'])
    witness.ackAll()
  })

  it('keep aside what is settled while recover has the rest delivered again', async () => {
    await fill(3)
    const deliveries = await fetchMany(3)
    expect(deliveries[0]?.ack()).to.equal(true)
    await channel.recover()
    expect(statesOf(deliveries)).to.deep.equal(['settled', 'settled', 'settled'])
    await becomes(2)
    await channel.txRollback()
    // The first is the channel's again; the others are the queue's, and settling them sends nothing.
    expect(statesOf(deliveries)).to.deep.equal(['unsettled', 'settled', 'settled'])
    expect(deliveries.map(delivery => delivery.ack())).to.deep.equal([true, false, false])
    await channel.txCommit()
    const again = await fetchMany(2)
    expect(again.map(({ body, redelivered }) => [String(body), redelivered])).to.deep.equal([
      ['1', true],
      ['2', true],
    ])
    expect(again[1]?.ack({ multiple: true })).to.equal(true)
    await channel.txCommit()
    await channel.close()
    expect(await ready()).to.equal(0)
  })

  it('may be selected twice, and lose nothing by it', async () => {
    await channel.publish('', queue, 'x')
    await channel.txSelect()
    await channel.txCommit()
    await becomes(1)
  })

  it('are of one channel alone', async () => {
    const other = await session.connection.openChannel({ confirm: true })
    await channel.publish('', queue, 'in the transaction')
    await other.publish('', queue, 'beside it')
    await channel.txRollback()
    expect(await ready()).to.equal(1)
    expect(String((await fetch(other)).body)).to.equal('beside it')
  })

  it('end with the channel when the broker cannot commit (406)', async () => {
    const full = session.name()
    const beside = await session.connection.openChannel()
    await beside.queueDeclare(full, { maxLength: 0, overflow: 'reject-publish' })
    await channel.publish('', full, 'refused')
    const error = await rejectionOf(channel.txCommit(), ChannelClosedError)
    expect(error).to.include({ replyCode: 406, channelNumber: channel.number })
    expect(error.replyText).to.match(/^PRECONDITION_FAILED - partial tx completion/)
    expect(await channel.closed).to.include({ by: 'server', code: 406 })
    await beside.queueDeclare(full, { passive: true })
  })

  it('have no confirms to wait for', async () => {
    expect((await rejectionOf(channel.waitForConfirms(), ArgumentError)).path).to.equal('channel')
  })
})
