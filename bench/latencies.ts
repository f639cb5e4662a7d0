// How long each of many things took that were done one after the other.

export interface Quantiles {
  readonly p50Us: number
  readonly p99Us: number
}

export class Latencies {
  #us: number[] = []

  /** Does something so many times, one at a time. The clock is read once for each. */
  async time(times: number, step: () => Promise<unknown>): Promise<void> {
    let begin = performance.now()
    for (let left = times; left > 0; left--) {
      await step()
      const end = performance.now()
      this.#us.push(1000 * (end - begin))
      begin = end
    }
  }

  /** Of what was timed since the last call; nothing when nothing was. */
  take(): Partial<Quantiles> {
    const sorted = Float64Array.from(this.#us).sort()
    this.#us = []
    if (sorted.length === 0) return {}
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number
    return { p50Us: at(0.5), p99Us: at(0.99) }
  }
}
