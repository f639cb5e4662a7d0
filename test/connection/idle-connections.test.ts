// What a connection costs that does nothing. A process may have thousands of them, and each holds its stream, a timer and
// what it has agreed on with the server; tables, buffers and closures for what it might do some day are made on that day.

import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { type Clock, type Connection, connect } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { heldOctets } from '../support/invariants/growth.js'
import { PeerCodec } from '../support/peer/peer-codec.js'

const COUNT = 1_000
const ROUNDS = 3
/** Measured: 1.9 to 2.3 KiB. */
const MAX_OCTETS = 2.75 * 1024

const codec = new PeerCodec()
const CLOSE_OK = codec.method(0, { name: 'connection.close-ok', args: {} })
const ANSWERS: readonly Buffer[] = (
  [
    {
      name: 'connection.start',
      args: {
        versionMajor: 0,
        versionMinor: 9,
        serverProperties: { product: 'RabbitMQ', capabilities: { 'basic.nack': true } },
        mechanisms: Buffer.from('PLAIN'),
        locales: Buffer.from('en_US'),
      },
    },
    { name: 'connection.tune', args: { channelMax: 2047, frameMax: 131_072, heartbeat: 60 } },
    { name: 'connection.open-ok', args: {} },
  ] satisfies Method[]
).map(method => codec.method(0, method))

/** A server that says what it always says, one answer to each write, and holds nothing for it. */
class AnsweringStream extends Duplex {
  #answered = 0

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.push(ANSWERS[this.#answered++] ?? CLOSE_OK)
    done()
  }
}

/** What somebody listens to who uses a stream, and what he writes to it. */
function useStream(): Duplex {
  const stream = new AnsweringStream()
  const onEnd = (): void => {}
  stream
    .on('data', () => {})
    .on('error', onEnd)
    .on('end', onEnd)
    .on('close', onEnd)
  for (const _ of ANSWERS) stream.write(Buffer.alloc(1), () => {})
  return stream
}

/** Holds what a timer would, and nothing that watches over Node's own timers holds more. */
const clock: Clock & { readonly timers: Set<object> } = {
  timers: new Set(),
  now: () => 0,
  wallTime: () => 0,
  startTimer(callback) {
    const timer = { callback, cancel: cancelTimer }
    clock.timers.add(timer)
    return timer
  },
  afterPoll: callback => clock.startTimer(callback, 0),
}

function cancelTimer(this: object): void {
  clock.timers.delete(this)
}

/** One after the other, because memory that is shared is as much as those take that open at the same time. */
async function many<T>(make: () => T): Promise<Awaited<T>[]> {
  const made: Awaited<T>[] = []
  while (made.length < COUNT) made.push(await make())
  return made
}

/** Octets held for each of what is made, and what was made. */
async function heldFor<T>(make: () => T): Promise<[octets: number, made: Awaited<T>[]]> {
  const before = await heldOctets()
  const made = await many(make)
  return [((await heldOctets()) - before) / COUNT, made]
}

async function octetsOfConnection(): Promise<number> {
  const [alone, streams] = await heldFor(useStream)
  const [together, connections] = await heldFor(() => connect({ stream: () => new AnsweringStream(), clock }))
  for (const stream of streams) stream.destroy()
  await Promise.all(connections.map((connection: Connection) => connection.close()))
  return together - alone
}

describe('a connection that is idle', () => {
  it(`holds at most ${MAX_OCTETS} octets besides its stream`, async () => {
    const octets: number[] = []
    // What is allocated once, compiled code for instance, comes in the first round.
    for (let round = 0; round < ROUNDS; round++) octets.push(await octetsOfConnection())
    expect(Math.min(...octets), `by round: ${octets.map(Math.round).join(', ')}`).to.be.below(MAX_OCTETS)
  })
})
