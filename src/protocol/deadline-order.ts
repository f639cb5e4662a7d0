// Whether what was added one behind the other also ends in that order: then looking for what is overdue stops at the first that
// is not. Publishes age alike, so it mostly is; what has a timeout of its own breaks it. It holds nothing but the last one.

/** Something that is waited for until a time. */
export interface Timed {
  readonly deadline: number
  /** It may become later, with the end of the turn in which it was issued. */
  readonly isMoving?: boolean | undefined
}

export class DeadlineOrder {
  #isKept = true
  #last: Timed | undefined

  get isKept(): boolean {
    return this.#isKept
  }

  /** It comes behind all that was added. Those that move all move together, and in front of what does not they may pass it. */
  add(next: Timed): void {
    const last = this.#last
    this.#last = next
    if (last === undefined || !this.#isKept) return
    this.#isKept = next.deadline >= last.deadline && (next.isMoving === true || last.isMoving !== true)
  }

  /** A deadline was changed by itself. */
  break(): void {
    this.#isKept = false
  }

  /** Nothing is waited for. */
  restart(): void {
    this.#isKept = true
    this.#last = undefined
  }
}
