// What was issued on a channel and changes what queues hold, in the order in which the broker works on it: an answer to something
// later on the channel proves everything before. In a transaction nothing takes effect before the commit.

export interface Effect {
  /** Its place in the order of issuing. */
  readonly id: number
  /** The broker has worked on it. */
  prove(): void
  /** It never comes to the broker, or was rolled back. */
  drop(): void
  /** Nobody can know. */
  doubt(): void
}

export class Effects {
  /** `unknown`: whether the channel is in transactions was never told. */
  kind: 'at once' | 'transaction' | 'unknown' = 'at once'
  #waiting: Effect[] = []
  /** Issued before the transactions. */
  #before: Effect[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  beginTransactions(): void {
    this.kind = 'transaction'
    this.#before = this.#waiting.splice(0)
  }

  add(effect: Effect): void {
    if (this.kind === 'unknown') effect.doubt()
    else this.#waiting.push(effect)
  }

  remove(effect: Effect): void {
    this.#waiting = this.#waiting.filter(each => each !== effect)
    this.#before = this.#before.filter(each => each !== effect)
  }

  /** The broker has worked on what has this place. */
  proveUpTo(id: number): void {
    const effects = this.kind === 'at once' ? this.#waiting : this.#before
    let proven = 0
    for (const effect of effects) {
      if (effect.id > id) break
      effect.prove()
      proven++
    }
    if (proven > 0) effects.splice(0, proven)
  }

  /** What a commit or a rollback that is issued now is about. */
  take(): readonly Effect[] {
    return this.#waiting.splice(0)
  }

  /** The channel has ended in a way that does not say how far the broker came. */
  doubtAll(): void {
    for (const effect of [...this.#before.splice(0), ...this.#waiting.splice(0)]) effect.doubt()
  }

  /** The channel has ended outside of a commit: a transaction that was not committed never was. */
  dropAll(): void {
    for (const effect of this.#waiting.splice(0)) effect.drop()
  }
}
