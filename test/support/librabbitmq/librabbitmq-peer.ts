// A process of the program peer.c: a connection of librabbitmq that publishes and gets what it is told to, one request at
// a time. A request that the broker refuses ends the process, and the error says what the broker said.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { within } from '../rabbitmq/deadline.js'
import type { PeerProgram } from './peer-program.js'
import { messageWords, takeMessage, type WireMessage } from './wire-message.js'

const ANSWER_TIMEOUT_MS = 15_000

export class LibrabbitmqPeer {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  /** `frameMax`: what the library asks for, octets; its own programs ask for 131072. */
  static async start(program: PeerProgram, url: string, frameMax = 131_072): Promise<LibrabbitmqPeer> {
    // The options of a query are thump's and amqplib's.
    const peer = new LibrabbitmqPeer(program.file, url.replace(/\?.*$/, ''), frameMax)
    try {
      await peer.#answer('ready')
    } catch (error) {
      await peer.stop()
      throw error
    }
    return peer
  }

  private constructor(file: string, url: string, frameMax: number) {
    this.#process = spawn(file, [url, String(frameMax)], { stdio: ['pipe', 'pipe', 'inherit'] })
    // It may have ended before it reads all that it is told; the end of its output says so.
    this.#process.stdin.on('error', () => {})
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** It ends when the broker has refused something. */
  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** Publishes to the default exchange; resolves when the broker has confirmed. */
  async publish(queue: string, message: WireMessage): Promise<void> {
    await this.#ask('publish', queue, ...messageWords(message))
  }

  /** Takes a message from a queue, for good; undefined when it is empty. */
  async get(queue: string): Promise<WireMessage | undefined> {
    return takeMessage(await this.#ask('get', queue))
  }

  async stop(): Promise<void> {
    if (this.ended) return
    const exited = once(this.#process, 'exit')
    this.#process.stdin.end()
    await within(ANSWER_TIMEOUT_MS, 'the end of the librabbitmq peer', exited).catch(error => {
      this.#process.kill('SIGKILL')
      throw error
    })
  }

  #ask(...words: string[]): Promise<string[]> {
    this.#process.stdin.write(`${words.join(' ')}\n`)
    return this.#answer('ok')
  }

  /** The words behind the expected one. */
  async #answer(expected: string): Promise<string[]> {
    const next = await within(ANSWER_TIMEOUT_MS, 'an answer of the librabbitmq peer', this.#lines.next())
    if (next.done === true) throw new Error('the librabbitmq peer has ended')
    const [word, ...words] = next.value.split(' ')
    if (word !== expected) throw new Error(`the librabbitmq peer: ${next.value}`)
    return words
  }
}
