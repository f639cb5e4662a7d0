// What is counted of sessions. Counts can be taken out, to be sent from one thread to another, and added up there.

import { ConnectError } from '../../../src/index.js'
import { Histogram } from '../histogram.js'
import { type Outcome, verdictOf } from '../promise-ledger.js'
import { endOf } from './judge.js'
import { MISCHIEFS } from './mischief.js'
import type { Session } from './session.js'
import { STATES } from './states.js'

/** Those of each histogram, by name. */
export type Counts = readonly (readonly (readonly [name: string, count: number])[])[]

/** If most sessions end alike, most of what was tried was the same. */
const DOMINANCE_MAX = 0.6

export class Tally {
  readonly #states = new Histogram('states of the client when the server turned bad')
  readonly #mischiefs = new Histogram('kinds of badness')
  readonly #ends = new Histogram('ends')
  readonly #received = new Histogram('methods that the server received')
  readonly #outcomes = new Histogram('what became of promises')

  get histograms(): readonly Histogram[] {
    return [this.#states, this.#mischiefs, this.#ends, this.#received, this.#outcomes]
  }

  get counts(): Counts {
    return this.histograms.map(({ counts }) => counts)
  }

  add(counts: Counts): void {
    counts.forEach((each, index) => {
      for (const [name, count] of each) this.histograms[index]?.count(name, count)
    })
  }

  note(session: Session): void {
    for (const state of session.states) this.#states.count(state)
    for (const mischief of session.mischiefs) this.#mischiefs.count(mischief)
    for (const method of session.server.received) this.#received.count(method)
    for (const outcome of session.outcomes) this.#outcomes.count(verdictOf(outcome))
    this.#ends.count(describeEnd(session))
  }

  /** What was never tried, or too often: a run that has not been everywhere has proved less than it says. */
  get gaps(): string[] {
    const gaps: string[] = []
    for (const state of STATES) {
      if (this.#states.share(state) === 0) gaps.push(`no server turned bad at '${state}'`)
    }
    for (const name of Object.keys(MISCHIEFS)) {
      if (this.#mischiefs.share(name) === 0) gaps.push(`no server did this: ${name}`)
    }
    const [most] = this.#ends.counts
    if (this.#ends.dominance > DOMINANCE_MAX) gaps.push(`too many sessions end alike: ${most?.join(' ')}`)
    return gaps
  }
}

/** `protocol 504`, `client`, `not connected in start: AMQP_CONNECT`. */
function describeEnd(session: Session): string {
  const reason = endOf(session)
  if (reason !== undefined) {
    const gaveUp = reason.by === 'client' && reason.error !== undefined ? ', not in order' : ''
    // Servers close with any number.
    const code = reason.by === 'server' || reason.code === undefined ? '' : ` ${reason.code}`
    return `${reason.by}${code}${gaveUp}`
  }
  const connecting = session.outcomes.find(({ what }) => what === 'connect') as Outcome
  const error = connecting.state === 'rejected' ? connecting.error : undefined
  const phase = error instanceof ConnectError ? ` in ${error.phase}` : ''
  return `not connected${phase}: ${verdictOf(connecting)}`
}
