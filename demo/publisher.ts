// Publishes what waits in the ledger, one message at a time, at a pace. A message is done when the broker has confirmed it
// and not before; what was not confirmed goes back into the ledger, and out again under the same id on the next channel.

import { type Channel, UnconfirmedError } from '../src/index.js'
import type { Ledger } from './ledger.js'

export class Publisher {
  readonly #ledger: Ledger
  readonly #queue: string
  #channel: Channel | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(ledger: Ledger, queue: string) {
    this.#ledger = ledger
    this.#queue = queue
  }

  /** From now on it publishes on this channel, which is a confirm channel. */
  use(channel: Channel): void {
    this.#channel = channel
  }

  /** One message every so many milliseconds. */
  start(everyMs: number): void {
    this.stop()
    this.#timer = setInterval(() => this.#publishNext(), everyMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #publishNext(): Promise<void> {
    if (this.#channel?.state !== 'open') return
    const message = this.#ledger.take()
    if (message === undefined) return
    try {
      await this.#channel.publish('', this.#queue, message.text, {
        messageId: message.id,
        contentType: 'text/plain',
      })
      this.#ledger.confirm(message)
    } catch (error) {
      // Whatever became of it, it is not confirmed, and has to be published again.
      this.#ledger.putBack(message, error instanceof UnconfirmedError ? error.outcome : 'not-sent')
    }
  }
}
