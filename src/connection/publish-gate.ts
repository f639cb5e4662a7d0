// Back-pressure on plain channels, one gate per connection: what `await publish()` waits for. Promises are shared, so a
// publish costs none of its own.
//
// Up to 256 KiB per turn of the event loop pass at once. After that the publishes of the turn share a promise that settles
// in a later turn, when there is room again: a loop that awaits can starve neither timers nor heartbeats nor the socket.
//
// To hear when a turn is over costs going round the event loop once more, which who publishes an answer to each delivery
// would do for each. So the end of a turn is waited for only when a part of the budget is gone; up to there what was
// published in turns before may count too.

import { Deferred } from './deferred.js'

/** Octets that may be published in one turn before awaiting means waiting: a batch for the socket. */
const TURN_BUDGET = 256 * 1024
/** From here on the end of the turn is waited for. */
const AWAIT_END_FROM = TURN_BUDGET / 4
/** What those await who need not wait. */
export const PASSED: Promise<void> = Promise.resolve()

export class PublishGate {
  readonly #hasRoom: () => boolean
  #octets = 0
  #turn: NodeJS.Immediate | undefined
  #waiting: Deferred<void> | undefined

  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom
  }

  /** Octets were accepted for sending; what their publisher is to await. */
  pass(octets: number): Promise<void> {
    this.#octets += octets
    if (this.#octets >= AWAIT_END_FROM) this.#turn ??= setImmediate(this.#onTurn)
    if (this.#octets < TURN_BUDGET) return PASSED
    this.#waiting ??= new Deferred()
    return this.#waiting.promise
  }

  /** Like {@link pass}, for a publish that does not share its wait and settles with it. True when it passes at once. */
  passAlone(octets: number, publish: Deferred<void>): boolean {
    const passed = this.pass(octets)
    if (passed === PASSED) publish.resolve()
    else {
      passed.then(
        () => publish.resolve(),
        (error: Error) => publish.reject(error),
      )
    }
    return passed === PASSED
  }

  /** There may be room again. */
  noteRoom(): void {
    if (this.#waiting !== undefined && this.#turn === undefined && this.#hasRoom()) {
      this.#waiting.resolve()
      this.#waiting = undefined
    }
  }

  /** The connection is closed: who waits never will pass, unless all that was accepted was sent before. */
  end(error: Error | undefined): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    this.#turn = undefined
    if (error === undefined) this.#waiting?.resolve()
    else this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  readonly #onTurn = (): void => {
    this.#turn = undefined
    this.#octets = 0
    this.noteRoom()
  }
}
