// How often what happened: a fuzzer that does not say it may have tried one thing a million times.

export class Histogram {
  readonly title: string
  readonly #counts = new Map<string, number>()
  #total = 0

  constructor(title: string) {
    this.title = title
  }

  get total(): number {
    return this.#total
  }

  /** By name, the most frequent first. */
  get counts(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].sort(([, a], [, b]) => b - a)
  }

  count(name: string, times = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times)
    this.#total += times
  }

  /** The part of all that is called so, from 0 to 1. */
  share(name: string): number {
    return this.#total === 0 ? 0 : (this.#counts.get(name) ?? 0) / this.#total
  }

  /** The part that the most frequent one has, from 0 to 1. */
  get dominance(): number {
    return this.#total === 0 ? 0 : (this.counts[0]?.[1] ?? 0) / this.#total
  }

  /** Everything that another one of the same kind has counted. */
  add(other: Histogram): void {
    for (const [name, count] of other.counts) this.count(name, count)
  }

  /** A line for each, with its part of all. */
  toString(): string {
    const { counts } = this
    const width = Math.max(0, ...counts.map(([name]) => name.length))
    const digits = String(counts[0]?.[1] ?? 0).length
    const lines = counts.map(([name, count]) => {
      const percent = ((100 * count) / this.#total).toFixed(1)
      return `  ${name.padEnd(width)}  ${String(count).padStart(digits)}  ${percent.padStart(5)} %`
    })
    return [`${this.title}: ${this.#total}`, ...lines].join('\n')
  }
}
