// Commands that wait for their turn on a channel, in program order. It knows their size and when each stops waiting, and
// nothing else of them.
//
// Publishes age alike, and so do calls. As long as deadlines come in order, looking for what has expired therefore ends at
// the first that has not: two hundred thousand publishes that age out one by one must not cost a walk over all of them each.

export interface QueuedCommand {
  /** What it counts for in `maxBuffered`. */
  readonly octets: number
  /** When it stops waiting. */
  readonly deadline: number
}

export class CommandQueue<C extends QueuedCommand> {
  #commands: (C | undefined)[] = []
  #head = 0
  #octets = 0
  /** Whether no deadline is before that of a command in front of it. */
  #isOrdered = true
  #lastDeadline = Number.NEGATIVE_INFINITY

  get isEmpty(): boolean {
    return this.#head === this.#commands.length
  }

  /** Octets of all commands that wait. */
  get octets(): number {
    return this.#octets
  }

  /** The command whose turn is next. */
  get first(): C | undefined {
    return this.#commands[this.#head]
  }

  get nextDeadline(): number {
    if (this.#isOrdered) return this.first?.deadline ?? Number.POSITIVE_INFINITY
    let deadline = Number.POSITIVE_INFINITY
    for (const command of this.#waiting()) deadline = Math.min(deadline, command.deadline)
    return deadline
  }

  push(command: C): void {
    this.#isOrdered = this.isEmpty || (this.#isOrdered && command.deadline >= this.#lastDeadline)
    this.#lastDeadline = command.deadline
    this.#commands.push(command)
    this.#octets += command.octets
  }

  shift(): C | undefined {
    const command = this.#commands[this.#head]
    if (command === undefined) return undefined
    this.#commands[this.#head++] = undefined
    this.#octets -= command.octets
    // Array.shift moves every element of an array this long; a moving head with a rare cut does not.
    if (this.#head * 2 > this.#commands.length) {
      this.#commands = this.#commands.slice(this.#head)
      this.#head = 0
    }
    return command
  }

  /** Removes and returns what has waited too long, in order. `renew` may give a command more time where it stands. */
  expire(now: number, renew: (command: C) => boolean = never): C[] {
    const expired: C[] = []
    let renewed = false
    const isOver = (command: C): boolean => {
      if (command.deadline > now) return false
      const stays = renew(command)
      renewed ||= stays
      return !stays
    }
    if (this.#isOrdered) {
      while (this.first !== undefined && isOver(this.first)) expired.push(this.shift() as C)
      if (!renewed) return expired
    }
    expired.push(...this.remove(isOver))
    return expired
  }

  /** Removes and returns what is to go, in order. */
  remove(isToGo: (command: C) => boolean): C[] {
    const removed: C[] = []
    for (const command of this.drain()) {
      if (isToGo(command)) removed.push(command)
      else this.push(command)
    }
    return removed
  }

  /** Removes and returns all, in order. */
  drain(): C[] {
    const commands = [...this.#waiting()]
    this.#commands = []
    this.#head = 0
    this.#octets = 0
    return commands
  }

  *#waiting(): Generator<C> {
    for (let index = this.#head; index < this.#commands.length; index++) yield this.#commands[index] as C
  }
}

function never(): boolean {
  return false
}
