// @ts-check
//
// A client that says the octets it is told and remembers who said what. It knows where a frame ends, and nothing else.
// Below it: the steps that many conversations begin with.

import { once } from 'node:events'
import { connect } from 'node:net'
import { method, OPEN, PROTOCOL_HEADER, short } from './octets.js'

const FRAME_TIMEOUT_MS = 10_000

/** AMQP 0-9-1 section 4.2.3: type, channel and size come before the payload, frame-end after it. */
const FRAME_HEADER = 7
const FRAME_OVERHEAD = 8

/** @typedef {{ direction: '>' | '<', octets: Buffer }} Entry */

export class RawClient {
  /** @type {Entry[]} */
  transcript = []
  #pending = Buffer.alloc(0)
  /** Frames received that nobody has waited for yet. */
  #unread = 0

  /** @param {number} port */
  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.socket.on('data', chunk => this.#receive(chunk))
    // RabbitMQ ends every connection with a reset, a closed one too. Who waits for a frame is told all the same.
    this.socket.on('error', () => {})
  }

  /** @param {readonly string[]} frames hexadecimal digits */
  say(...frames) {
    for (const frame of frames) this.transcript.push({ direction: '>', octets: Buffer.from(frame, 'hex') })
    this.socket.write(Buffer.from(frames.join(''), 'hex'))
  }

  /**
   * Resolves with the next `count` frames.
   *
   * @param {number} [count]
   */
  async hear(count = 1) {
    const signal = AbortSignal.timeout(FRAME_TIMEOUT_MS)
    while (this.#unread < count) {
      await once(this.socket, 'frame', { signal }).catch(error => {
        throw new Error(`frame ${this.#unread + 1} of ${count}: not within ${FRAME_TIMEOUT_MS} ms`, {
          cause: error,
        })
      })
    }
    const heard = this.transcript.filter(entry => entry.direction === '<').slice(-this.#unread)
    this.#unread -= count
    return heard.slice(0, count).map(entry => entry.octets)
  }

  /** @param {Buffer} chunk */
  #receive(chunk) {
    this.#pending = Buffer.concat([this.#pending, chunk])
    while (this.#pending.length >= FRAME_HEADER) {
      const size = this.#pending.readUInt32BE(3) + FRAME_OVERHEAD
      if (this.#pending.length < size) return
      this.transcript.push({ direction: '<', octets: this.#pending.subarray(0, size) })
      this.#pending = this.#pending.subarray(size)
      this.#unread++
      this.socket.emit('frame')
    }
  }
}

/**
 * @param {RawClient} client
 * @param {string} startOkFrame
 * @param {string} tuneOkFrame
 */
export async function openConnection(client, startOkFrame, tuneOkFrame) {
  client.say(PROTOCOL_HEADER)
  await client.hear()
  client.say(startOkFrame)
  await client.hear()
  client.say(tuneOkFrame, OPEN)
  for (let frame; frame?.toString('hex', FRAME_HEADER, FRAME_HEADER + 4) !== '000a0029'; )
    [frame] = await client.hear()
}

/**
 * An exclusive queue: it goes with the connection.
 *
 * @param {RawClient} client
 * @param {string} queue
 * @param {string} [parameters] a table
 */
export async function declare(client, queue, parameters = '00000000') {
  client.say(method('0032000a', '0000', short(queue), '04', parameters))
  await client.hear()
}

/**
 * With the consumer tag "t", without acknowledgements.
 *
 * @param {RawClient} client
 * @param {string} queue
 */
export async function consume(client, queue) {
  client.say(method('003c0014', '0000', short(queue), short('t'), '02', '00000000'))
  await client.hear()
}
