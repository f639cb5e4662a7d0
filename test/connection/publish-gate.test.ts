import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { Deferred } from '../../src/connection/deferred.js'
import { PublishGate } from '../../src/connection/publish-gate.js'
import { ConnectionClosedError } from '../../src/index.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const KIB = 1024
const BUDGET = 256 * KIB

/** Whether the promise has settled by the time the microtasks that there are have run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  const settled = promise.then(
    () => undefined,
    () => undefined,
  )
  for (let times = 0; times < 5; times++) await undefined
  return (await Promise.race([settled, pending])) !== pending
}

describe('PublishGate', () => {
  let room: boolean
  let gate: PublishGate

  beforeEach(() => {
    room = true
    gate = new PublishGate(() => room)
  })

  it('lets up to 256 KiB of a turn pass at once, all on one promise', async () => {
    const first = gate.pass(BUDGET / 2)
    const second = gate.pass(BUDGET / 2 - 1)
    expect(second).to.equal(first)
    expect(await isSettled(first)).to.equal(true)
    await nextTurn()
  })

  it('makes the publish that fills the budget wait for a later turn, and those after it on the same promise', async () => {
    void gate.pass(BUDGET - 1)
    const waiting = gate.pass(1)
    expect(await isSettled(waiting)).to.equal(false)
    expect(gate.pass(1)).to.equal(waiting)
    await nextTurn()
    expect(await isSettled(waiting)).to.equal(true)
  })

  it('begins each turn with the whole budget', async () => {
    for (let turn = 0; turn < 3; turn++) {
      expect(await isSettled(gate.pass(BUDGET - 1))).to.equal(true)
      await nextTurn()
    }
  })

  it('does not wait for the end of a turn in which little is published', async () => {
    const immediates = (): number =>
      process.getActiveResourcesInfo().filter(name => name === 'Immediate').length
    const before = immediates()
    void gate.pass(BUDGET / 4 - 1)
    expect(immediates()).to.equal(before)
    void gate.pass(1)
    expect(immediates()).to.equal(before + 1)
    await nextTurn()
  })

  it('lets a publish that waits alone pass at once, or settles it with those that share', async () => {
    const first = new Deferred<void>()
    expect(gate.passAlone(BUDGET - 1, first)).to.equal(true)
    expect(await isSettled(first.promise)).to.equal(true)
    const second = new Deferred<void>()
    expect(gate.passAlone(1, second)).to.equal(false)
    const shared = gate.pass(1)
    expect(shared).to.not.equal(second.promise)
    expect(await isSettled(second.promise)).to.equal(false)
    await nextTurn()
    await Promise.all([within(1_000, 'the publish', second.promise), shared])
    const [lost, error] = [new Deferred<void>(), new ConnectionClosedError({ by: 'transport', text: 'gone' })]
    expect(gate.passAlone(BUDGET, lost)).to.equal(false)
    gate.end(error)
    expect(await rejectionOf(lost.promise, ConnectionClosedError)).to.equal(error)
  })

  it('waits for room also in later turns', async () => {
    room = false
    const waiting = gate.pass(BUDGET)
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    expect(await isSettled(waiting)).to.equal(false)
    room = true
    gate.noteRoom()
    expect(await isSettled(waiting)).to.equal(true)
  })

  it('does not open in the same turn, though there is room', async () => {
    const waiting = gate.pass(BUDGET)
    gate.noteRoom()
    expect(await isSettled(waiting)).to.equal(false)
    await nextTurn()
    expect(await isSettled(waiting)).to.equal(true)
  })

  it('rejects who waits when the connection is lost', async () => {
    const waiting = gate.pass(BUDGET)
    const error = new ConnectionClosedError({ by: 'transport', text: 'gone' })
    gate.end(error)
    let rejection: unknown
    await waiting.catch(cause => {
      rejection = cause
    })
    expect(rejection).to.equal(error)
  })

  it('lets who waits go when the connection is closed and nothing was lost', async () => {
    const waiting = gate.pass(BUDGET)
    gate.end(undefined)
    await within(1_000, 'the publish', waiting)
  })
})

describe('a loop that awaits every publish of a plain channel', () => {
  // A peer in memory takes every write before the event loop turns: nothing but the gate makes the loop wait.
  const cases: [string, Buffer, Record<string, unknown> | undefined][] = [
    ['bodies of 100 octets', Buffer.alloc(100), undefined],
    ['empty bodies', Buffer.alloc(0), undefined],
    ['empty bodies and large headers', Buffer.alloc(0), { headers: { large: 'x'.repeat(5_000) } }],
    ['bodies of 20 KiB', Buffer.alloc(20 * KIB), undefined],
    ['bodies of 64 KiB', Buffer.alloc(64 * KIB), undefined],
    ['bodies of 300 KiB', Buffer.alloc(300 * KIB), undefined],
  ]
  for (const [what, body, options] of cases) {
    it(`turns the event loop at least every 256 KiB with ${what}`, async () => {
      const { connection, stream } = await VirtualPeer.open()
      const channel = await connection.openChannel()
      let turns = 0
      let immediate = setImmediate(function turn() {
        turns++
        immediate = setImmediate(turn)
      })
      const before = connection.stats.octetsSent
      const sent = (): number => connection.stats.octetsSent - before
      while (sent() < 6 * BUDGET) {
        await channel.publish('', 'q', body, options)
        stream.writes.length = 0
      }
      clearImmediate(immediate)
      expect(turns).to.be.at.least(5)
      await within(5_000, 'close()', connection.close())
    })
  }

  for (const size of [1_000, 100 * KIB]) {
    it(`keeps no more than the high-water mark and a turn in memory when the peer stops reading, and goes on when it reads: ${size} octets`, () =>
      stopsAndGoesOn(size))
  }

  it('hands over bodies of 64 KiB four at a time when several are published', async () => {
    const { connection, stream } = await VirtualPeer.open()
    const channel = await connection.openChannel()
    await nextTurn()
    stream.writes.length = 0
    const publishes = Array.from({ length: 17 }, () => channel.publish('', 'q', Buffer.alloc(64 * KIB)))
    await within(5_000, 'the publishes', Promise.all(publishes))
    expect(stream.writes.map(({ length }) => Math.round(length / KIB))).to.deep.equal([
      64, 256, 256, 256, 256,
    ])
    await within(5_000, 'close()', connection.close())
  })

  async function stopsAndGoesOn(size: number): Promise<void> {
    const highWaterMark = 512 * KIB
    const { connection, peer } = await VirtualPeer.open({ connect: { highWaterMark } })
    const channel = await connection.openChannel()
    peer.socket.pause()
    let published = 0
    let stop = false
    const loop = (async () => {
      for (; !stop; published++) await channel.publish('', 'q', Buffer.alloc(size))
    })()
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    const stuckAt = published
    expect(connection.stats.bufferedOctets).to.be.at.most(highWaterMark + BUDGET + 2 * size)
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    expect(published, 'publishes while nobody reads').to.equal(stuckAt)
    peer.socket.resume()
    while (published < 10 * stuckAt) await nextTurn()
    stop = true
    await within(5_000, 'the end of the loop', loop)
    await within(5_000, 'close()', connection.close())
  }
})

describe('an awaited publish of a plain channel', () => {
  it('does not wait for what waits for room in the window of another channel', async () => {
    const highWaterMark = 512 * KIB
    const { connection, stream } = await VirtualPeer.open({ connect: { highWaterMark } })
    const confirmed = await connection.openChannel({ confirm: true, maxUnconfirmed: 1 })
    const plain = await connection.openChannel()
    const unconfirmed = Array.from({ length: 10 }, () => confirmed.publish('', 'q', Buffer.alloc(200 * KIB)))
    const failed = Promise.allSettled(unconfirmed)
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    expect(connection.stats.bufferedOctets, 'octets in the queue').to.be.above(2 * highWaterMark)
    const publish = plain.publish('', 'q', Buffer.alloc(BUDGET))
    expect(await isSettled(publish), 'in the same turn').to.equal(false)
    await within(1_000, 'the publish', publish)
    expect(connection.stats.bufferedOctets).to.be.above(2 * highWaterMark)
    stream.destroy()
    expect((await failed).map(({ status }) => status)).to.not.include('fulfilled')
  })
})
