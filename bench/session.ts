// What a client has to be able to do to be measured. One session is one connection with one channel.

import type { Tally, Workload } from './cases.js'

export interface SessionOptions {
  readonly port: number
  readonly workload: Workload
  /** Octets. */
  readonly bodySize: number
}

export interface Session {
  /** Publishes so many messages, or has them delivered, to the last confirm, delivery or acknowledgement. */
  run(messages: number): Promise<void>
  /** What the broker says it has counted: {@link Tally}. */
  ask(tally: Tally): Promise<number>
  close(): Promise<void>
}
