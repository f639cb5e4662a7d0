// Runs a consumer's handler on deliveries, so many at a time, and does with each delivery what the outcome asks for.
// The handler is the application's: whatever it does ends here.

import { warnOfThrow } from './announcer.js'
import { checkFailureAction, type DeliveryHandler, type FailureAction } from './channel-options.js'
import type { Delivery } from './delivery.js'
import { nameRunner } from './handler-caller.js'
import type { FailureOutcome } from './handler-failures.js'

export interface HandlerPolicy {
  readonly concurrency: number
  readonly autoSettle: boolean
  readonly onError: FailureAction | ((error: unknown, delivery: Delivery) => FailureAction)
  /** The channel closes: a handler may fail for that alone, and its delivery goes back by itself. */
  isClosing(): boolean
}

/** Told of each handler that fails, when its delivery has been dealt with. */
export type NoteFailure = (error: unknown, delivery: Delivery, outcome: FailureOutcome) => void

/** Runs one handler at a time. They are kept and used again, as each has a name of its own by which its handler is found. */
interface Runner {
  readonly name: string
  readonly run: (delivery: Delivery) => void
  busy: boolean
}

export class HandlerPool {
  readonly #handler: DeliveryHandler
  readonly #policy: HandlerPolicy
  readonly #noteError: NoteFailure
  readonly #noteEnd: (runner: string) => void
  /** By name. */
  readonly #runners = new Map<string, Runner>()
  readonly #idle: Runner[] = []

  constructor(
    handler: DeliveryHandler,
    policy: HandlerPolicy,
    noteError: NoteFailure,
    noteEnd: (runner: string) => void,
  ) {
    this.#handler = handler
    this.#policy = policy
    this.#noteError = noteError
    this.#noteEnd = noteEnd
  }

  /** Whether another handler may start. */
  get hasRoom(): boolean {
    return this.#idle.length > 0 || this.#runners.size < this.#policy.concurrency
  }

  /** Handlers that run, those of the excused runners left out. */
  running(excused: ReadonlySet<string>): number {
    let running = this.#runners.size - this.#idle.length
    for (const name of excused) if (this.#runners.get(name)?.busy === true) running--
    return running
  }

  run(delivery: Delivery): void {
    const runner = this.#idle.pop() ?? this.#addRunner()
    runner.busy = true
    runner.run(delivery)
  }

  #addRunner(): Runner {
    const run = (delivery: Delivery): void => {
      const pending = this.#call(delivery)
      if (pending === undefined) this.#release(runner)
      else void finish(pending, delivery)
    }
    const finish = async (pending: PromiseLike<unknown>, delivery: Delivery): Promise<void> => {
      try {
        await pending
        this.#succeed(delivery)
      } catch (error) {
        this.#fail(error, delivery)
      } finally {
        this.#release(runner)
      }
    }
    const runner: Runner = { name: nameRunner(run, finish), run, busy: false }
    this.#runners.set(runner.name, runner)
    return runner
  }

  /**
   * What the handler returns, if that is to be awaited. Awaiting everything would cost a delivery whose handler is done two promises
   * and a turn of the microtask queue.
   */
  #call(delivery: Delivery): PromiseLike<unknown> | undefined {
    try {
      const outcome = this.#handler(delivery)
      if (isThenable(outcome)) return outcome
      this.#succeed(delivery)
    } catch (error) {
      this.#fail(error, delivery)
    }
    return undefined
  }

  #succeed(delivery: Delivery): void {
    if (this.#policy.autoSettle) delivery.ack()
  }

  #release(runner: Runner): void {
    runner.busy = false
    this.#idle.push(runner)
    this.#noteEnd(runner.name)
  }

  #fail(error: unknown, delivery: Delivery): void {
    const isOurs = this.#policy.autoSettle && !this.#policy.isClosing()
    const action = isOurs ? this.#actionFor(error, delivery) : 'leave'
    this.#noteError(error, delivery, this.#settle(delivery, action))
  }

  /**
   * By reject: since RabbitMQ 4.3 only that counts towards a delivery limit. A stream has no way to take a message back, and gives
   * no more after a prefetch of unsettled ones.
   */
  #settle(delivery: Delivery, action: FailureAction): FailureOutcome {
    if (action === 'leave' || delivery.state !== 'unsettled') return 'left'
    if (delivery.isFromStream) {
      delivery.ack()
      return 'acknowledged'
    }
    const requeue = action === 'requeue' || (action === 'requeue-once' && !delivery.redelivered)
    delivery.reject({ requeue })
    return requeue ? 'requeued' : 'rejected'
  }

  #actionFor(error: unknown, delivery: Delivery): FailureAction {
    const { onError } = this.#policy
    if (typeof onError !== 'function') return onError
    try {
      const action: unknown = onError(error, delivery)
      if (action instanceof Promise) action.catch(ignore)
      checkFailureAction(action)
      return action as FailureAction
    } catch (thrown) {
      warnOfThrow("a consumer's onError", thrown)
      return 'requeue-once'
    }
  }
}

function isThenable(outcome: unknown): outcome is PromiseLike<unknown> {
  const mayBe = (typeof outcome === 'object' && outcome !== null) || typeof outcome === 'function'
  return mayBe && 'then' in outcome && typeof outcome.then === 'function'
}

function ignore(): void {}
