// What was found: each kind once, with the smallest input that shows it, and what repeats it.

import { ENOUGH_FINDINGS } from '../campaign.js'
import { minimise } from './minimiser.js'
import type { TrialName, Trials } from './trials.js'

const STACK_LINES = 10

export class Findings {
  readonly texts: string[] = []
  readonly #kinds = new Set<string>()
  readonly #trials: Trials

  constructor(trials: Trials) {
    this.#trials = trials
  }

  get areEnough(): boolean {
    return this.texts.length >= ENOUGH_FINDINGS
  }

  /** `where` is what the input was in the run. */
  add(name: TrialName, octets: Uint8Array, plan: number, where: string): void {
    // It may be off, for speed; now it matters more where something comes from.
    Error.stackTraceLimit = STACK_LINES
    const what = this.#trials.judge(name, Buffer.from(octets), plan)
    if (what === undefined) return this.note(`${name}, ${where}: did not come again: ${hexOf(octets)}`)
    if (this.#kinds.has(kindOf(what))) return
    this.#kinds.add(kindOf(what))
    const isStill = (candidate: Buffer): boolean => {
      const again = this.#trials.judge(name, candidate, plan)
      return again !== undefined && kindOf(again) === kindOf(what)
    }
    const smallest = minimise(octets, isStill)
    const told = this.#trials.judge(name, Buffer.from(smallest), plan)
    this.texts.push(`${name}: ${told}\n  octets ${hexOf(smallest)}\n  plan ${plan}, ${where}`)
  }

  note(text: string): void {
    if (!this.#kinds.has(text)) this.texts.push(text)
    this.#kinds.add(text)
  }
}

/** The same for what differs in numbers and octets only, or in the lines of its stack. */
function kindOf(what: string): string {
  return (what.split('\n', 1)[0] as string).replace(/\b[\da-f]+\b/g, '#')
}

function hexOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}
