// What is held at some points of a long run, and the verdict. The first tenth of a run fills caches, pools and compiled code, so
// the comparison is between the second point and the last: what is in use then must be about what was in use before.

import { type EventEmitter, getEventListeners } from 'node:events'
import { heldOctets } from '../support/invariants/growth.js'

export interface Checkpoint {
  /** How many units were done. */
  readonly done: number
  /** Octets after a collection: the heap, and what lies outside it. */
  readonly held: number
  readonly rss: number
  /** Of the process, the signal, and the emitters that live through the run. */
  readonly listeners: number
  /** Sockets, timers and whatever else keeps the event loop busy. */
  readonly handles: number
}

/** What may have listeners, beside the process. */
export interface Listened {
  readonly signal: AbortSignal
  emitters(): readonly EventEmitter[]
}

export async function measure(done: number, { signal, emitters }: Listened): Promise<Checkpoint> {
  const held = await heldOctets()
  const emitting = [process as EventEmitter, ...emitters()]
  const listeners = emitting.reduce((sum, emitter) => sum + listenersOf(emitter), 0)
  return {
    done,
    held,
    rss: process.memoryUsage.rss(),
    listeners: listeners + getEventListeners(signal, 'abort').length,
    handles: process.getActiveResourcesInfo().length,
  }
}

function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

/** Octets that each unit left behind, from the second point to the last. */
export function slopeOf(checkpoints: readonly Checkpoint[]): number {
  const { second, last } = endsOf(checkpoints)
  return (last.held - second.held) / (last.done - second.done)
}

/** What has grown; nothing when all is well. `allowedOctets`: by which what is held may differ. */
export function complaintsAbout(checkpoints: readonly Checkpoint[], allowedOctets: number): string[] {
  const { second, last } = endsOf(checkpoints)
  const complaints: string[] = []
  const grown = last.held - second.held
  if (grown > allowedOctets)
    complaints.push(`${grown} octets more are held after ${last.done} than after ${second.done}`)
  for (const what of ['listeners', 'handles'] as const) {
    if (last[what] > second[what]) complaints.push(`${last[what]} ${what}, there were ${second[what]}`)
  }
  return complaints
}

export function tableOf(checkpoints: readonly Checkpoint[]): string {
  const rows = checkpoints.map(({ done, held, rss, listeners, handles }) => [
    `${done}`,
    `${(held / 1024).toFixed(0)}`,
    `${(rss / 1024 / 1024).toFixed(0)}`,
    `${listeners}`,
    `${handles}`,
  ])
  const head = ['done', 'held KiB', 'RSS MiB', 'listeners', 'handles']
  return [head, ...rows].map(row => row.map(cell => cell.padStart(12)).join('')).join('\n')
}

function endsOf(checkpoints: readonly Checkpoint[]): { second: Checkpoint; last: Checkpoint } {
  const [, second, ...others] = checkpoints
  const last = others.at(-1)
  if (second === undefined || last === undefined)
    throw new Error('a verdict takes at least three checkpoints')
  return { second, last }
}
