// Exploring, in a thread of its own: what goes in and what comes out.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Complaint } from './explorer.js'

export interface Journey {
  /** URL of a module that exports a `trial`. */
  readonly target: string
  /** URLs of the folders of which the code is counted that runs. */
  readonly folders: readonly string[]
  /** What inputs are made from. */
  readonly stems: readonly Uint8Array[]
  readonly seed: number
  readonly inputs: number
}

export interface Exploration {
  /** Inputs that came to code to which nothing had come before. */
  readonly found: readonly Uint8Array[]
  readonly complaints: readonly Complaint[]
  /** Blocks of code that ran, and all that are known. */
  readonly reached: number
  readonly known: number
}

/** Resolves when it is over, and its thread with it. */
export async function explore(journey: Journey): Promise<Exploration> {
  const worker = new Worker(new URL('./exploration-worker.js', import.meta.url), { workerData: journey })
  const ended = once(worker, 'exit')
  try {
    const [exploration] = (await once(worker, 'message')) as [Exploration]
    return exploration
  } finally {
    await ended
  }
}
