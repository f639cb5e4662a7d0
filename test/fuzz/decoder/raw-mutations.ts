// Mutations that respect nothing: whatever they do to frame headers and frame-ends stays so.

import { OCTETS } from './boundaries.js'
import { FRAME_END, longAt, putLong } from './frame-map.js'
import type { Mutation, Surroundings } from './mutation.js'
import { FRAME_MAX } from './stem.js'

const FEW = 8
const NOISE = 40
const SIZES: readonly number[] = [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, 0x7fffffff, 0x80000000, 0xffffffff]

/** No frame is sure any more from there on. */
function touch({ draft }: Surroundings, at: number): boolean {
  return draft.editRaw(at, 1, 1)
}

function overwrite(surroundings: Surroundings, octet: (old: number) => number): boolean {
  const { draft, random } = surroundings
  if (draft.length === 0) return false
  const at = random.below(draft.length)
  draft.octets[at] = octet(draft.octets[at] as number)
  return touch(surroundings, at)
}

function insert({ draft, random }: Surroundings): boolean {
  const at = random.below(draft.length + 1)
  const count = 1 + random.below(FEW)
  if (!draft.editRaw(at, 0, count)) return false
  for (let octet = at; octet < at + count; octet++) draft.octets[octet] = random.below(256)
  return true
}

function remove({ draft, random }: Surroundings): boolean {
  if (draft.length === 0) return false
  const at = random.below(draft.length)
  return draft.editRaw(at, Math.min(draft.length - at, 1 + random.below(FEW)), 0)
}

function truncate({ draft, random }: Surroundings): boolean {
  if (draft.length < 2) return false
  draft.truncate(1 + random.below(draft.length - 1))
  return true
}

function frameSize(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  if (draft.frames === 0) return false
  const at = draft.startOf(random.below(draft.frames))
  const size = longAt(draft.octets, at + 3)
  putLong(draft.octets, at + 3, random.chance(0.5) ? size + random.pick([-1, 1, 8]) : random.pick(SIZES))
  return touch(surroundings, at)
}

function frameEnd(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  if (draft.frames === 0) return false
  const at = draft.endOf(random.below(draft.frames))
  draft.octets[at] = random.chance(0.5) ? FRAME_END ^ (1 << random.below(8)) : random.below(256)
  return touch(surroundings, at)
}

function noise({ draft, random }: Surroundings): boolean {
  draft.truncate(0)
  const count = 1 + random.below(NOISE)
  draft.editRaw(0, 0, count)
  for (let at = 0; at < count; at++) draft.octets[at] = random.below(256)
  return true
}

export const rawMutations: readonly Mutation[] = [
  { name: 'flip any bit', weight: 4, apply: all => overwrite(all, old => old ^ (1 << all.random.below(8))) },
  { name: 'put any octet', weight: 2, apply: all => overwrite(all, () => all.random.pick(OCTETS)) },
  { name: 'insert anywhere', weight: 1, apply: insert },
  { name: 'remove anywhere', weight: 2, apply: remove },
  { name: 'truncate', weight: 4, apply: truncate },
  { name: 'change a frame size', weight: 3, apply: frameSize },
  { name: 'change a frame-end', weight: 2, apply: frameEnd },
  { name: 'nothing but noise', weight: 1, apply: noise },
]
