// Something that is done over and over, in steps, with a measurement after each.

import type { EventEmitter } from 'node:events'
import type { Connection, ConnectOptions } from '../../src/index.js'
import { type Checkpoint, measure } from './checkpoints.js'

/** Where a workload runs. */
export interface Place {
  /** A signal that lives as long as the run: whoever listens to it must stop to. */
  readonly signal: AbortSignal
  connect(options?: ConnectOptions): Promise<Connection>
}

/** A workload that has begun. */
export interface Running {
  /** What lives through the run and has listeners. */
  readonly emitters: readonly EventEmitter[]
  step(units: number): Promise<void>
  end(): Promise<void>
}

export interface Workload {
  readonly name: string
  readonly title: string
  /** Of a full run. */
  readonly units: number
  begin(place: Place): Promise<Running>
}

export interface RunOptions {
  readonly units: number
  readonly checkpoints: number
  /** Called before each measurement. */
  readonly settle?: (() => unknown) | undefined
}

export async function run(workload: Workload, place: Place, options: RunOptions): Promise<Checkpoint[]> {
  const running = await workload.begin(place)
  const { emitters } = running
  const listened = { signal: place.signal, emitters: () => emitters }
  const found: Checkpoint[] = []
  const share = Math.ceil(options.units / options.checkpoints)
  for (let done = share; found.length < options.checkpoints; done += share) {
    await running.step(share)
    await options.settle?.()
    found.push(await measure(done, listened))
  }
  await running.end()
  return found
}
