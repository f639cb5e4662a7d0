// One AbortSignal for everything, as an application has that ends all it does with one: however many connections, channels,
// consumers and calls there are, it has one listener of thump's, and none when nothing waits. Node warns at the eleventh.

import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { onAbort } from '../../src/connection/abort-listeners.js'
import { type Channel, type Connection, connect, openRpcClient } from '../../src/index.js'
import { MemoryStream } from '../support/peer/memory-stream.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll } from './every-call.js'

const MANY = 20

describe('a signal that everything shares', () => {
  let virtual: VirtualPeer & { readonly connection: Connection }
  let controller: AbortController
  const reason = new Error('that is all')

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    answerAll(virtual.peer)
    controller = new AbortController()
  })

  afterEach(async () => {
    expect(listeners(), 'listeners left on the signal').to.equal(0)
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
  })

  const listeners = (): number => getEventListeners(controller.signal, 'abort').length

  async function channels(): Promise<Channel[]> {
    return Promise.all(Array.from({ length: MANY }, () => virtual.connection.openChannel({ confirm: true })))
  }

  /** One thing of each kind on each of many channels, none of which is over by itself. */
  async function waitOnAll(): Promise<Promise<unknown>[]> {
    const { connection, clock, peer } = virtual
    const { signal } = controller
    const opened = await channels()
    const consumers = await Promise.all(opened.map(channel => channel.consume('q', () => connection.closed)))
    const clients = await Promise.all(opened.slice(0, 12).map(() => openRpcClient(connection)))
    for (const name of ['queue.declare', 'basic.cancel'] as const) peer.on(name, () => undefined)
    const waiting = [
      ...opened.map(channel => channel.queueDeclare('q', { signal })),
      ...opened.map(channel => channel.publish('', 'q', 'x', { signal })),
      ...opened.map(channel => channel.waitForConfirms({ signal })),
      ...consumers.map(consumer => consumer.cancel({ signal })),
      ...clients.map(client => client.request('', 'q', 'x', { signal })),
    ]
    for (const promise of waiting) promise.catch(() => {})
    await clock.settle()
    return waiting
  }

  it('has one listener for all that waits, and ends all of it', async () => {
    const waiting = await waitOnAll()
    expect(listeners()).to.equal(1)
    controller.abort(reason)
    for (const promise of waiting) {
      const error = await rejectionOf(promise, Error)
      expect([error, error.cause]).to.include(reason)
    }
  })

  it('has one listener for many connections that are being made, and ends all of them', async () => {
    const { signal } = controller
    const connecting = Array.from({ length: MANY }, () => {
      const [stream] = MemoryStream.pair()
      return connect({ stream: () => stream, clock: virtual.clock, signal })
    })
    const rejected = connecting.map(promise => rejectionOf(promise, Error))
    await virtual.clock.settle()
    expect(listeners()).to.equal(1)
    controller.abort(reason)
    for (const promise of rejected) expect(await promise).to.equal(reason)
  })

  it('keeps no listener over ten thousand calls', async () => {
    const { signal } = controller
    const opened = await channels()
    for (let round = 0; round < 10_000 / (2 * MANY); round++) {
      const calls = opened.map(channel => channel.queuePurge('q', { signal }))
      const gets = opened.map(channel => channel.get('q', { signal }))
      if (round === 0) expect(listeners()).to.equal(1)
      await within(1_000, 'a round of calls', Promise.all<unknown>([...calls, ...gets]))
    }
    expect(listeners()).to.equal(0)
  }).timeout(20_000)

  it('ends one thing although another has stopped listening meanwhile', () => {
    const told: string[] = []
    const { signal } = controller
    const forget = onAbort(signal, () => {
      told.push('first')
      forgetSecond()
    })
    const forgetSecond = onAbort(signal, () => told.push('second'))
    const forgetThird = onAbort(signal, () => told.push('third'))
    expect(listeners()).to.equal(1)
    controller.abort()
    expect(told).to.deep.equal(['first', 'third'])
    for (const each of [forget, forgetSecond, forgetThird]) each()
  })
})
