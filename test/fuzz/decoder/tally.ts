// Counts by number, for what happens a million times in a second; a Histogram of it is made at the end.

import { Histogram } from '../histogram.js'

export class Tally {
  readonly #title: string
  readonly #names: readonly string[]
  readonly #counts: Float64Array

  constructor(title: string, names: readonly string[]) {
    this.#title = title
    this.#names = names
    this.#counts = new Float64Array(names.length)
  }

  /** By the index of the name. */
  count(index: number): void {
    this.#counts[index] = (this.#counts[index] as number) + 1
  }

  of(name: string): number {
    return this.#counts[this.#names.indexOf(name)] ?? 0
  }

  /** Those that never happened are in it too. */
  histogram(): Histogram {
    const histogram = new Histogram(this.#title)
    for (const [index, name] of this.#names.entries()) histogram.count(name, this.#counts[index])
    return histogram
  }
}
