// Commands that wait for their turn on a channel, in program order. It knows their size and nothing else of them.

export interface QueuedCommand {
  /** What it counts for in `maxBuffered`. */
  readonly octets: number
}

export class CommandQueue<C extends QueuedCommand> {
  #commands: C[] = []
  #head = 0
  #octets = 0

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

  push(command: C): void {
    this.#commands.push(command)
    this.#octets += command.octets
  }

  shift(): C | undefined {
    const command = this.#commands[this.#head]
    if (command === undefined) return undefined
    this.#octets -= command.octets
    this.#head++
    // Array.shift moves every element of an array this long; a moving head with a rare cut does not.
    if (this.#head * 2 > this.#commands.length) {
      this.#commands = this.#commands.slice(this.#head)
      this.#head = 0
    }
    return command
  }

  /** Removes and returns the commands that fit, in order. */
  remove(fits: (command: C) => boolean): C[] {
    const removed: C[] = []
    const kept: C[] = []
    for (const command of this) (fits(command) ? removed : kept).push(command)
    if (removed.length === 0) return removed
    for (const command of removed) this.#octets -= command.octets
    this.#commands = kept
    this.#head = 0
    return removed
  }

  *[Symbol.iterator](): Generator<C> {
    for (let index = this.#head; index < this.#commands.length; index++) yield this.#commands[index] as C
  }
}
