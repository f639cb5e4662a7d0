// Whose the octets of a published body are: the application's again as soon as the promise has settled.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { Channel, PublishOptions } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'

const KIB = 1024

describe('the octets of a body, on a plain channel', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let channel: Channel
  /** The octet of which each body that came consists; -1 for one that has others too. */
  let bodies: number[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open()
    channel = await virtual.connection.openChannel()
    bodies = []
    virtual.peer.on('basic.publish', ({ content }) => {
      const body = content?.body as Buffer
      bodies.push(body.every(octet => octet === body[0]) ? (body[0] as number) : -1)
    })
  })

  afterEach(() => within(5_000, 'close()', virtual.connection.close()))

  /** Publishes the same memory again and again, filled anew each time. */
  async function publishAll(
    size: number,
    numbers: readonly number[],
    options?: PublishOptions,
  ): Promise<void> {
    const body = Buffer.alloc(size)
    for (const number of numbers) await channel.publish('', 'q', body.fill(number), options)
    body.fill(0xff)
    await virtual.connection.checkQueue('q')
    await virtual.clock.settle()
  }

  for (const size of [16, 8 * KIB, 9 * KIB, 20 * KIB, 63 * KIB, 64 * KIB, 200 * KIB, 600 * KIB]) {
    for (const [what, options] of [
      ['', undefined],
      [', with limits of its own', { timeout: 10_000 }],
    ] as const) {
      it(`may be changed when its promise has settled: ${size} octets${what}`, async () => {
        await publishAll(size, [1, 2, 3, 4, 5, 6], options)
        expect(bodies).to.deep.equal([1, 2, 3, 4, 5, 6])
      })

      it(`may be changed so also behind a large body: ${size} octets${what}`, async () => {
        const before = channel.publish('', 'q', Buffer.alloc(300 * KIB, 9))
        await publishAll(size, [1, 2, 3], options)
        await before
        expect(bodies).to.deep.equal([9, 1, 2, 3])
      })
    }
  }

  it('are not, as long as the socket has not taken them', async () => {
    virtual.peer.socket.pause()
    const settled: string[] = []
    const publish = (name: string, size: number): void => {
      void channel.publish('', 'q', Buffer.alloc(size)).then(() => settled.push(name))
    }
    publish('first', 100 * KIB)
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    expect(settled).to.deep.equal([])
    virtual.peer.socket.resume()
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    expect(settled).to.deep.equal(['first'])
    publish('small', 10)
    await Promise.resolve()
    await Promise.resolve()
    expect(settled).to.deep.equal(['first', 'small'])
  })

  it('are with the socket of each channel when it has them, whatever others send', async () => {
    const other = await virtual.connection.openChannel()
    const order: string[] = []
    const large = other.publish('', 'q', Buffer.alloc(4_000 * KIB)).then(() => order.push('large'))
    await channel.publish('', 'q', Buffer.alloc(100 * KIB)).then(() => order.push('small'))
    await large
    expect(order).to.deep.equal(['small', 'large'])
  })
})
