// What a client has to be able to do to be measured. One session is one connection with one channel.

import type { Workload } from './cases.js'
import type { Latencies } from './latencies.js'

export interface SessionOptions {
  readonly url: string
  readonly workload: Workload
  /** Octets. */
  readonly bodySize: number
}

/** One stretch of a workload. */
export interface Round {
  readonly messages: number
  /** Where a consumer gets them. */
  readonly queue: string
  /** Of workloads that do one thing at a time. */
  readonly latencies: Latencies
}

export interface Session {
  /** Does the workload so many times, to the last confirm, delivery, acknowledgement or reply. */
  run(round: Round): Promise<void>
  /** Declares a durable queue and resolves with its message count: the null broker says what it has counted. */
  ask(queue: string): Promise<number>
  close(): Promise<void>
}

export interface Client {
  open(options: SessionOptions): Promise<Session>
  /** A connection that does nothing; resolves, when it is open, with what closes it. */
  hold(url: string): Promise<() => Promise<void>>
}
