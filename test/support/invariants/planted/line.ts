// A class as users of the client hold one, with every kind of member that can hand out a promise.

export class Line {
  readonly #forever = new Promise<void>(() => {})

  get closed(): Promise<void> {
    return this.#forever
  }

  async answered(): Promise<string> {
    return 'an answer'
  }

  unanswered(): Promise<void> {
    return this.#forever.then(() => {})
  }

  async slow(): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, 20))
  }

  async refused(): Promise<void> {
    throw new Error('refused by the line')
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    yield 1
    await this.#forever
  }
}
