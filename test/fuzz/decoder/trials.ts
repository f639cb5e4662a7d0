// All that is done with an input, together and each for itself. What is thrown is wrong, whatever it is.

import { ChunkTrial } from './chunk-trial.js'
import { DecodingTrial } from './decoding-trial.js'
import type { Trial } from './explorer.js'
import { MachineTrial } from './machine-trial.js'
import { told } from './thrown.js'
import { ValueTrial } from './value-trial.js'

export const TRIALS = ['decoding', 'chunks', 'values', 'machine'] as const
export type TrialName = (typeof TRIALS)[number]

export class Trials {
  readonly decoding = new DecodingTrial()
  readonly chunks = new ChunkTrial()
  readonly values = new ValueTrial()
  readonly machine = new MachineTrial()

  /** What is wrong, or undefined. */
  judge(name: TrialName, octets: Buffer, plan: number): string | undefined {
    try {
      return this[name].judge(octets, plan)
    } catch (error) {
      return `throws ${told(error)}`
    }
  }
}

const ALL = new Trials()
/** The machine takes ten times as long as all the others. */
const MACHINE_EVERY = 4

/** For exploring: everything at once, with the name of what complains. */
export const trial: Trial = (octets, plan) => {
  for (const name of TRIALS) {
    if (name === 'machine' && plan % MACHINE_EVERY !== 0) continue
    const complaint = ALL.judge(name, octets, plan)
    if (complaint !== undefined) return `${name}: ${complaint}`
  }
  return undefined
}
