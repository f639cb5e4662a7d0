// How a consumer ends: whether it is cancelled, why it ended, and the handlers that outlive it. The channel and the connection
// that close see their consumers as this.

import type { CloseReason, Endpoint } from '../protocol/index.js'
import type { Clock } from './clock.js'
import { Deferred } from './deferred.js'
import { Drain, type DrainedConsumer, reasonGivingUp, stillRunning } from './drain.js'
import type { HandlerPool } from './handler-pool.js'

/** What the end of a consumer acts on. */
export interface EndingSupport {
  readonly clock: Clock
  readonly endpoint: Endpoint
  /** Undefined for a consumer that is iterated over. */
  readonly pool: HandlerPool | undefined
  /** What it brings is replies to what its own channel asked. */
  readonly bringsReplies: boolean
  /** basic.cancel. If it fails, so has the channel, and the consumer ends with it. */
  sendCancel(noWait: boolean): void
  /** Nothing more is to be begun. */
  onStop(): void
  /** What waits to be begun, and is not without acknowledgements, is the broker's again. */
  onTakenBack(): void
  /** Whether something waits to be begun. */
  hasWaiting(): boolean
  /** The consumer has ended, and its handlers are done. */
  onDone(ending: ConsumerEnding): void
}

export class ConsumerEnding implements DrainedConsumer {
  readonly #support: EndingSupport
  readonly #drains = new Set<Drain>()
  #stopping = false
  #closing = false
  #lost = false
  #reason: CloseReason | undefined

  constructor(support: EndingSupport) {
    this.#support = support
  }

  /** Why it ended; undefined while deliveries may come. */
  get reason(): CloseReason | undefined {
    return this.#reason
  }

  /** Nothing more is begun. */
  get isStopping(): boolean {
    return this.#stopping
  }

  cancel(noWait: boolean): void {
    if (this.#stopping) return
    if (this.#reason === undefined) this.#support.sendCancel(noWait)
    this.stop()
  }

  /**
   * The channel is about to close. Replies are no work, and a handler that runs may be waiting for one: they go on to the
   * end.
   */
  retire(): void {
    if (!this.#support.bringsReplies) this.cancel(false)
  }

  /** The channel closes: what a handler does from here on may fail for that alone. */
  get isClosing(): boolean {
    return this.#closing
  }

  /** The channel closes, and what is not settled goes back with it. */
  close(): void {
    this.#closing = true
    this.stop()
  }

  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#support.onStop()
  }

  takeBack(): void {
    this.#support.onTakenBack()
  }

  end(reason: CloseReason): void {
    this.#reason = reason
    this.noteProgress()
  }

  /** The channel is gone, or the consumer never began: what its handlers do is no concern of the broker's any more. */
  lose(): void {
    this.#lost = true
    this.#support.onTakenBack()
    this.noteProgress()
  }

  /** A handler has ended, or the consumer has. */
  noteProgress(endedRunner?: string): void {
    if (this.#drains.size === 0 && this.#reason === undefined && !this.#lost) return
    for (const drain of this.#drains) drain.look(this, endedRunner)
    const isIdle = this.running() === 0 && !this.#support.hasWaiting()
    if (this.#lost || (this.#reason !== undefined && isIdle)) this.#support.onDone(this)
  }

  /** Waits for its end and for its handlers. Resolves with the reason, which says what was given up. */
  async finish(timeoutMs: number, who: string): Promise<CloseReason> {
    const { clock, endpoint } = this.#support
    const drained = new Deferred<number>()
    new Drain(clock, 'cancel', abandoned => drained.resolve(abandoned)).begin([this], timeoutMs)
    const abandoned = await drained.promise
    const reason = this.#reason
    if (reason !== undefined && abandoned === 0) return reason
    const answer = reason === undefined ? 'no answer, ' : ''
    const text = `not complete within ${timeoutMs} ms: ${answer}${stillRunning(abandoned)}`
    return reasonGivingUp(reason ?? { by: 'client' }, text, who, endpoint)
  }

  running(excused: ReadonlySet<string> = NOBODY): number {
    return this.#lost ? 0 : (this.#support.pool?.running(excused) ?? 0)
  }

  isDone(excused: ReadonlySet<string>): boolean {
    const ended = this.#reason !== undefined || (this.#support.bringsReplies && !this.#stopping)
    return this.#lost || (ended && this.running(excused) === 0)
  }

  join(drain: Drain): void {
    this.#drains.add(drain)
  }

  leave(drain: Drain): void {
    this.#drains.delete(drain)
  }
}

const NOBODY: ReadonlySet<string> = new Set()
