// Commands that wait for their turn on a channel, in program order. It knows when each stops waiting, and nothing else of
// them.
//
// Publishes age alike, and so do calls; what never stops waiting has no place in that order. As long as deadlines come in
// order, looking for what has expired therefore ends at the first that has not: two hundred thousand publishes that age out
// one by one must not cost a walk over all of them each. What is taken out of the middle leaves a hole.

import { DeadlineOrder, type Timed } from './deadline-order.js'

/** About what a command that waits occupies besides its octets: many small ones must have a limit too. */
export const COMMAND_OVERHEAD = 512

/** `deadline` is Infinity for what never stops waiting. */
export class CommandQueue<C extends Timed> {
  #commands: (C | undefined)[] = []
  /** Index of the first command; never of a hole. */
  #head = 0
  /** Commands that wait, holes left out. */
  #size = 0
  readonly #order = new DeadlineOrder()

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /** The command whose turn is next. */
  get first(): C | undefined {
    return this.#commands[this.#head]
  }

  get nextDeadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (let index = this.#head; index < this.#commands.length; index++) {
      deadline = Math.min(deadline, this.#commands[index]?.deadline ?? Number.POSITIVE_INFINITY)
      if (this.#order.isKept && deadline !== Number.POSITIVE_INFINITY) break
    }
    return deadline
  }

  push(command: C): void {
    if (command.deadline !== Number.POSITIVE_INFINITY) this.#order.add(command)
    this.#commands.push(command)
    this.#size++
  }

  shift(): C | undefined {
    const command = this.first
    if (command === undefined) return undefined
    this.#take(this.#head)
    this.#trim()
    return command
  }

  /** Removes and returns what has waited too long, in order. `renew` may give a command more time where it stands. */
  expire(now: number, renew?: (command: C) => boolean): C[] {
    const expired: C[] = []
    for (let index = this.#head; index < this.#commands.length; index++) {
      const command = this.#commands[index]
      if (command === undefined || command.deadline === Number.POSITIVE_INFINITY) continue
      if (command.deadline > now) {
        if (this.#order.isKept) break
      } else if (renew?.(command) === true) this.#order.break()
      else expired.push(this.#take(index))
    }
    this.#trim()
    return expired
  }

  /** Removes and returns what is to go, in order. */
  remove(isToGo: (command: C) => boolean): C[] {
    const removed: C[] = []
    for (let index = this.#head; index < this.#commands.length; index++) {
      const command = this.#commands[index]
      if (command !== undefined && isToGo(command)) removed.push(this.#take(index))
    }
    this.#trim()
    return removed
  }

  /** Removes and returns all, in order. */
  drain(): C[] {
    return this.remove(() => true)
  }

  #take(index: number): C {
    const command = this.#commands[index] as C
    this.#commands[index] = undefined
    this.#size--
    if (this.isEmpty) this.#order.restart()
    return command
  }

  /** Array.shift moves every element of an array this long; a moving head, and now and then an array without holes, do not. */
  #trim(): void {
    while (this.#head < this.#commands.length && this.first === undefined) this.#head++
    if (this.#commands.length <= 2 * this.#size + HOLES) return
    this.#commands = this.#commands.filter(command => command !== undefined)
    this.#head = 0
  }
}

/** So many cost nothing. */
const HOLES = 32
