// Mutations inside the payload of a frame, which stays a frame.

import { EXPECTED_METHODS } from '../../protocol/method-table.expected.js'
import { FIELDS, INTEGERS, LENGTHS, NAMES, OCTETS, TAGS } from './boundaries.js'
import { putLong, shortAt } from './frame-map.js'
import type { Mutation, Surroundings } from './mutation.js'

const METHOD = 1
const HEADER = 2
const HEARTBEAT = 8
/** In the payload of a content header: class 2, weight 2, body size 8, flags 2. */
const BODY_SIZE = 4
const FLAGS = 12
const BODY_SIZES = INTEGERS.filter(({ length: width }) => width === 8)
/** The part of edits after which the lengths around them are true again. */
const REPAIRED_SHARE = 0.8
const INSIDE_SHARE = 0.8
/** Of the places in a method, the part that may be in its ids: most methods are short, and what is unknown is not read. */
const IDS_SHARE = 0.1
const IDS = 4
const FEW = 8
const MANY = 300

interface Place {
  readonly frame: number
  readonly at: number
}

/** A place in the payload of some frame, as many octets before its end as are wanted; undefined when there is none. */
function place({ draft, random }: Surroundings, octets: number): Place | undefined {
  if (draft.frames === 0) return undefined
  const frame = random.below(draft.frames)
  // It has no payload, and is no frame with one.
  if (draft.typeOf(frame) === HEARTBEAT) return undefined
  const isPastIds = draft.typeOf(frame) === METHOD && !random.chance(IDS_SHARE)
  const start = draft.payloadOf(frame) + (isPastIds ? IDS : 0)
  const room = draft.endOf(frame) - start - octets
  return room < 0 ? undefined : { frame, at: start + random.below(room + 1) }
}

/** As `place`, but mostly inside something that has a length: behind a shift elsewhere nothing makes sense. */
function placeInside(surroundings: Surroundings, octets: number): Place | undefined {
  const { draft, random } = surroundings
  const { spans } = draft
  if (spans.count === 0 || !random.chance(INSIDE_SHARE)) return place(surroundings, octets)
  const index = random.below(spans.count)
  const room = spans.end(index) - spans.start(index) - octets
  if (room < 0) return undefined
  const at = spans.start(index) + random.below(room + 1)
  return { frame: draft.frameAt(at), at }
}

/** Puts these octets in the place of others. */
function replace(
  surroundings: Surroundings,
  frame: number,
  at: number,
  removed: number,
  octets: Buffer,
): boolean {
  const { draft, random } = surroundings
  if (!draft.edit(frame, at, removed, octets.length, random.chance(REPAIRED_SHARE))) return false
  octets.copy(draft.octets, at)
  return true
}

function overwrite(surroundings: Surroundings, octet: (old: number) => number): boolean {
  const where = place(surroundings, 1)
  if (where === undefined) return false
  const { octets } = surroundings.draft
  octets[where.at] = octet(octets[where.at] as number)
  return true
}

function integer(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const value = random.pick(INTEGERS)
  const where = place(surroundings, value.length)
  if (where !== undefined) value.copy(draft.octets, where.at)
  return where !== undefined
}

/** What a length says is not what is there. */
function length({ draft, random }: Surroundings): boolean {
  const { octets, spans } = draft
  if (spans.count === 0) return false
  const index = random.below(spans.count)
  const size = spans.end(index) - spans.start(index)
  const left = draft.endOf(draft.frameAt(spans.sizeAt(index))) - spans.start(index)
  const value = random.chance(0.5) ? random.pick([size - 1, size + 1, left, left + 1]) : random.pick(LENGTHS)
  if (spans.width(index) === 1) octets[spans.sizeAt(index)] = value
  else putLong(octets, spans.sizeAt(index), value)
  return true
}

function insert(surroundings: Surroundings): boolean {
  const { random } = surroundings
  const where = placeInside(surroundings, 0)
  if (where === undefined) return false
  const octets = Buffer.alloc(
    random.chance(0.02) ? random.below(MANY) : 1 + random.below(FEW),
    random.pick(OCTETS),
  )
  if (random.chance(0.5)) octets[0] = random.below(256)
  return replace(surroundings, where.frame, where.at, 0, octets)
}

function remove(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const count = 1 + random.below(FEW)
  const where = placeInside(surroundings, count)
  return where !== undefined && draft.edit(where.frame, where.at, count, 0, random.chance(REPAIRED_SHARE))
}

function duplicate(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const count = 1 + random.below(2 * FEW)
  const where = placeInside(surroundings, count)
  if (where === undefined) return false
  const { frame, at } = where
  if (!draft.edit(frame, at + count, 0, count, random.chance(REPAIRED_SHARE))) return false
  draft.octets.copy(draft.octets, at + count, at, at + count)
  return true
}

/** Octets of another input in the place of some. */
function graft(surroundings: Surroundings): boolean {
  const { corpus, random } = surroundings
  const { octets } = corpus.pick()
  const from = random.below(octets.length)
  const piece = octets.subarray(from, from + 1 + random.below(2 * FEW))
  const removed = random.chance(0.5) ? piece.length : 0
  const where = placeInside(surroundings, removed)
  return where !== undefined && replace(surroundings, where.frame, where.at, removed, piece)
}

/** The content of a length becomes that of another input's, and the length with it. */
function transplant(surroundings: Surroundings): boolean {
  const { draft, corpus, random } = surroundings
  const { spans } = draft
  const other = corpus.pick()
  if (spans.count === 0 || other.spans.count === 0) return false
  const [from, to] = [random.below(other.spans.count), random.below(spans.count)]
  const content = other.octets.subarray(other.spans.start(from), other.spans.end(from))
  const [at, removed] = [spans.start(to), spans.end(to) - spans.start(to)]
  return replace(surroundings, draft.frameAt(at), at, removed, content)
}

/** Another field in a table, or another element in an array. */
function field(surroundings: Surroundings): boolean {
  const { draft, random } = surroundings
  const { spans } = draft
  if (spans.count === 0) return false
  const index = random.below(spans.count)
  const kind = spans.kind(index)
  if (kind !== 'table' && kind !== 'array') return false
  const value = random.pick(FIELDS)
  const octets = kind === 'array' ? value : Buffer.concat([random.pick(NAMES), value])
  const at = spans.start(index)
  return replace(surroundings, draft.frameAt(at), at, 0, octets)
}

/** The arguments of one method behind the ids of another. */
function ids({ draft, random }: Surroundings): boolean {
  const frame = random.below(draft.frames || 1)
  if (draft.frames === 0 || draft.typeOf(frame) !== METHOD) return false
  const at = draft.payloadOf(frame)
  if (draft.endOf(frame) - at < 4) return false
  const { classId, methodId } = random.pick(EXPECTED_METHODS)
  draft.octets[at + 1] = classId
  draft.octets[at + 3] = random.chance(0.9) ? methodId : methodId + 1
  return true
}

/** A content header that says other things about the body, or about which properties there are. */
function header({ draft, random }: Surroundings): boolean {
  const frame = random.below(draft.frames || 1)
  if (draft.frames === 0 || draft.typeOf(frame) !== HEADER) return false
  const at = draft.payloadOf(frame)
  if (draft.endOf(frame) - at < FLAGS + 2) return false
  const { octets } = draft
  const what = random.pick(['flags', 'a small body', 'a strange body'])
  if (what === 'flags')
    octets.writeUInt16BE(shortAt(octets, at + FLAGS) ^ (1 << random.below(16)), at + FLAGS)
  else if (what === 'a small body') octets.writeBigUInt64BE(BigInt(random.below(5)), at + BODY_SIZE)
  else random.pick(BODY_SIZES).copy(octets, at + BODY_SIZE)
  return true
}

export const payloadMutations: readonly Mutation[] = [
  { name: 'flip a bit', weight: 14, apply: all => overwrite(all, old => old ^ (1 << all.random.below(8))) },
  { name: 'put an octet', weight: 8, apply: all => overwrite(all, () => all.random.pick(OCTETS)) },
  { name: 'put a type tag', weight: 5, apply: all => overwrite(all, () => all.random.pick(TAGS)) },
  { name: 'put an integer', weight: 9, apply: integer },
  { name: 'change a length', weight: 10, apply: length },
  { name: 'insert octets', weight: 7, apply: insert },
  { name: 'remove octets', weight: 7, apply: remove },
  { name: 'duplicate octets', weight: 4, apply: duplicate },
  { name: 'graft octets', weight: 4, apply: graft },
  { name: 'transplant a content', weight: 5, apply: transplant },
  { name: 'add a field', weight: 8, apply: field },
  { name: 'rename a method', weight: 4, apply: ids },
  { name: 'change a content header', weight: 5, apply: header },
]
