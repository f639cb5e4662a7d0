// Samples -> medians and ratios. A ratio is taken run by run, and then its median: what else the machine did then hit both.

import { type Case, type ClientName, isSameWork, nameOf, PEERS, type PeerName, type Work } from './cases.js'
import type { Sample } from './measurement.js'
import type { Series } from './runner.js'

/** What is read out of a sample. */
export type Quantity = (sample: Sample) => number

export const cpuUsPerMessage: Quantity = ({ cpuUs, messages }) => cpuUs / messages
export const messagesPerSecond: Quantity = ({ messages, wallMs }) => (1000 * messages) / wallMs
export const p50Us: Quantity = sample => sample.p50Us ?? Number.NaN

export class Results {
  readonly series: readonly Series[]

  constructor(series: readonly Series[]) {
    this.series = series.filter(({ samples }) => samples.length > 0)
  }

  /** Each line of work once. */
  get works(): Work[] {
    const first = this.series.filter(
      (series, index) => this.series.findIndex(other => isSameWork(series, other)) === index,
    )
    return first.map(({ server, workload, size }) => ({ server, workload, size }))
  }

  /** Who did it. */
  clientsOf(work: Work): ClientName[] {
    return this.series.filter(series => isSameWork(series, work)).map(({ client }) => client)
  }

  has(which: Case): boolean {
    return this.#find(which) !== undefined
  }

  median(which: Case, quantity: Quantity): number {
    return median(this.#samples(which).map(quantity))
  }

  /** Undefined when the other has not done it. */
  ratio(work: Work, client: ClientName, other: ClientName, quantity: Quantity): number | undefined {
    const ratios = this.ratios(work, client, other, quantity)
    return ratios.length === 0 ? undefined : median(ratios)
  }

  /** One for each run. */
  ratios(work: Work, client: ClientName, other: ClientName, quantity: Quantity): number[] {
    const [ours, others] = [this.#find({ ...work, client }), this.#find({ ...work, client: other })]
    if (ours === undefined || others === undefined) return []
    const runs = Math.min(ours.samples.length, others.samples.length)
    return ours.samples
      .slice(0, runs)
      .map((sample, run) => quantity(sample) / quantity(others.samples[run] as Sample))
  }

  /** The one with the least processor time for a message, or with the most messages in a second. */
  bestPeer(work: Work, by: 'cpu' | 'speed' = 'cpu'): PeerName | undefined {
    const peers = PEERS.filter(client => this.has({ ...work, client }))
    const key = (client: PeerName): number =>
      by === 'cpu'
        ? this.median({ ...work, client }, cpuUsPerMessage)
        : -this.median({ ...work, client }, messagesPerSecond)
    return peers.toSorted((one, other) => key(one) - key(other))[0]
  }

  #samples(which: Case): readonly Sample[] {
    const series = this.#find(which)
    if (series === undefined) throw new Error(`${nameOf(which)} was not measured`)
    return series.samples
  }

  #find(which: Case): Series | undefined {
    return this.series.find(series => series.client === which.client && isSameWork(series, which))
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] as number
  return Number.isInteger(middle) ? ((sorted[middle - 1] as number) + upper) / 2 : upper
}
