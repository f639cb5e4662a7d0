// Which delivery tags the application has seen. Tags count up from 1 on a channel, so nearly always it is all up to one.

export class SeenTags {
  #lowestMissing = 1
  readonly #above = new Set<number>()

  get lowestMissing(): number {
    return this.#lowestMissing
  }

  add(deliveryTag: number): void {
    this.#above.add(deliveryTag)
    while (this.#above.delete(this.#lowestMissing)) this.#lowestMissing++
  }
}
