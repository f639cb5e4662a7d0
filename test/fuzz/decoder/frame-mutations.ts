// Mutations of which frames there are, in which order and on which channel.

import type { Mutation, Surroundings } from './mutation.js'
import { stemOf } from './stem.js'

const BODY = 3
const HEARTBEAT = 8
const CHANNELS: readonly number[] = [0, 1, 1, 2, 3, 4, 0xffff]
const TYPES: readonly number[] = [1, 2, 3]

function pickFrame({ draft, random }: Surroundings): number | undefined {
  return draft.frames === 0 ? undefined : random.below(draft.frames)
}

/** The first frames of one and the last of another. */
function splice({ draft, random, corpus }: Surroundings): boolean {
  const other = corpus.pick()
  const frames = other.starts.length - 1
  if (draft.frames === 0 || frames === 0) return false
  draft.keepFrames(1 + random.below(draft.frames))
  return draft.append(other, random.below(frames), frames)
}

/** Puts the frames together anew in this order. */
function rearrange({ draft }: Surroundings, order: readonly number[]): boolean {
  const old = stemOf(Buffer.from(draft.octets.subarray(0, draft.length)))
  draft.keepFrames(0)
  return order.every(frame => draft.append(old, frame, frame + 1))
}

function orderOf({ draft }: Surroundings): number[] {
  return Array.from({ length: draft.frames }, (_, frame) => frame)
}

function swap(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  if (draft.frames < 2) return false
  const order = orderOf(surroundings)
  const first = random.below(draft.frames - 1)
  order.splice(first, 2, first + 1, first)
  return rearrange(surroundings, order)
}

function double(surroundings: Surroundings): boolean {
  const frame = pickFrame(surroundings)
  if (frame === undefined) return false
  const order = orderOf(surroundings)
  order.splice(frame, 0, frame)
  return rearrange(surroundings, order)
}

function drop(surroundings: Surroundings): boolean {
  if (surroundings.draft.frames < 2) return false
  const order = orderOf(surroundings)
  order.splice(surroundings.random.below(order.length), 1)
  return rearrange(surroundings, order)
}

function changeChannel(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const frame = pickFrame(surroundings)
  if (frame === undefined || draft.typeOf(frame) === HEARTBEAT) return false
  draft.octets.writeUInt16BE(random.pick(CHANNELS), draft.startOf(frame) + 1)
  return true
}

function changeType(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const frame = pickFrame(surroundings)
  if (frame === undefined) return false
  draft.octets[draft.startOf(frame)] = random.pick(TYPES)
  return true
}

function splitBody(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const frame = pickFrame(surroundings)
  if (frame === undefined || draft.typeOf(frame) !== BODY) return false
  const at = draft.payloadOf(frame)
  return draft.splitFrame(frame, at + random.below(draft.endOf(frame) - at + 1))
}

export const frameMutations: readonly Mutation[] = [
  { name: 'splice two inputs', weight: 8, apply: splice },
  { name: 'swap frames', weight: 1, apply: swap },
  { name: 'double a frame', weight: 1, apply: double },
  { name: 'drop a frame', weight: 1, apply: drop },
  { name: 'change a channel', weight: 5, apply: changeChannel },
  { name: 'change a frame type', weight: 2, apply: changeType },
  { name: 'split a body', weight: 3, apply: splitBody },
]
