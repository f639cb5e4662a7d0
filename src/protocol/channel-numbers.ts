// Which channel numbers are free, 1 to channelMax. A number is given out again only when the close handshake of its last
// channel is complete (RabbitMQ answers 504 to a reopening before), and the one that has rested longest comes first.

export class ChannelNumbers {
  readonly #limit: number
  #unused = 1
  #free: number[] = []

  constructor(channelMax: number) {
    this.#limit = channelMax
  }

  /** A free number, or undefined when all are in use. */
  take(): number | undefined {
    if (this.#unused <= this.#limit) return this.#unused++
    return this.#free.shift()
  }

  release(channelNumber: number): void {
    this.#free.push(channelNumber)
  }
}
