// A connection that comes back, by hand: what an application does until thump does it by itself. It connects, lets the
// application live on the connection until that life is over, says why it ended, waits a little, and connects again.
//
// Everything that lived on the old connection (channels, consumers, deliveries) ended with it. `live` makes it anew.

import { setTimeout as delay } from 'node:timers/promises'
import {
  ArgumentError,
  AuthenticationError,
  type CloseReason,
  type Connection,
  type ConnectOptions,
  connect,
} from '../src/index.js'

export interface Life {
  /** Sets up what the application needs on a fresh connection. Resolves when that life is over, with the reason. */
  live(connection: Connection): Promise<CloseReason>
  /** A life has ended, otherwise than by stop(). */
  noteLost(reason: CloseReason): void
  /** There is no connection, or it could not be set up. */
  noteFailed(error: unknown): void
}

/** Between a life that was lost and the next attempt, at most; then up to twice as long each time. */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000

export class Lifeline {
  readonly #url: string
  readonly #options: ConnectOptions
  readonly #life: Life
  readonly #stopping = new AbortController()
  #connection: Connection | undefined

  constructor(url: string, options: ConnectOptions, life: Life) {
    this.#url = url
    this.#options = options
    this.#life = life
  }

  /** The connection of the present life. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** Lives one life after the other until stop(). Rejects when no later attempt could do better. */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 0; !signal.aborted; ) {
      try {
        const reason = await this.#liveOnce()
        failures = 0
        if (!signal.aborted) this.#life.noteLost(reason)
      } catch (error) {
        if (signal.aborted) return
        if (isFinal(error)) throw error
        failures++
        this.#life.noteFailed(error)
      }
      await delay(pauseAfter(failures), undefined, { signal }).catch(ignore)
    }
  }

  /** Ends the present life, and the attempt to begin one. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#connection?.close()
  }

  async #liveOnce(): Promise<CloseReason> {
    const connection = await connect(this.#url, { ...this.#options, signal: this.#stopping.signal })
    this.#connection = connection
    try {
      return await this.#life.live(connection)
    } finally {
      this.#connection = undefined
      // It may be open still: only the channel ended, or setting up failed. On one that is closed this does nothing.
      await connection.close()
    }
  }
}

/** No later attempt would do better: an address that is none, or credentials that were refused. */
function isFinal(error: unknown): boolean {
  return error instanceof ArgumentError || error instanceof AuthenticationError
}

/** Any time up to a bound that doubles with each failure: after a restart of the broker not all clients come at once. */
function pauseAfter(failures: number): number {
  return Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)
}

function ignore(): void {}
