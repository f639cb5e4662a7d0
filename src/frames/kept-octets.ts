// Octets that outlive the chunk they came in, or the memory they were encoded in: the one place that decides in what memory they
// are kept. Bodies, which the application gets, share none that is written again.
//
// Memory of its own costs a message some 5 µs above 64 octets (an ArrayBuffer is malloc, bookkeeping of external memory
// and a finaliser); shared memory costs next to nothing, but whoever keeps one small message keeps all that is beside it.
// So what is kept holds on to a multiple of its own octets that is bounded, and nothing large is shared:
//
//   up to 64 octets    memory of its own: V8 has these inside its heap, where they are cheap
//   below 1 KiB        beside others in 16 KiB: at most 252 times its own octets
//   up to 8 KiB        beside others in 64 KiB: at most 64 times
//   above              memory of its own
//
// From 32 KiB on they may have been read into memory that was offered for that: there they stay, one in each, between other
// octets that were read with them, and hold on to five times their own at most.
//
// Node's own pool (Buffer.from) is 8 KiB for what is below 4 KiB: 512 times its own for 16 octets, and for 1 KiB it was
// measured to cost three times as much as this.

import { NO_OCTETS } from './constants.js'

type Allocate = (octets: number) => ArrayBufferLike

/** `Buffer` is a getter of the global object, which costs as much as a small copy. */
const NodeBuffer = Buffer
/** What several share is no one message's: who counts what a peer makes us ask for, by the function of that name, is not to find it. */
const { allocUnsafeSlow } = NodeBuffer

/** Octets of the largest typed array that V8 keeps inside its heap. */
const OWN_UP_TO = 64
/** Up to this a loop is cheaper than the view of the source that a copy needs. */
const LOOP_UP_TO = 24
const SMALL_BELOW = 1024
const SHARED_UP_TO = 8 * 1024
/** From here on a copy costs more than memory that was offered in vain. */
const OFFERED_FROM = 32 * 1024

type ViewConstructor = new (memory: ArrayBufferLike, offset: number, octets: number) => Buffer

/**
 * What subarray() makes of a Buffer, by the means that JavaScript has for subclasses. subarray() itself asks for the memory each
 * time, which is a call out of compiled code: a fifth of the cost of keeping 1 KiB.
 */
const View = (Buffer as unknown as { readonly [Symbol.species]: ViewConstructor })[Symbol.species]

/** Where the octets are that are copied: mostly there, where those were that were copied before. */
class Source {
  #octets: Buffer = NO_OCTETS
  #memory: ArrayBufferLike = NO_OCTETS.buffer
  #offset = 0

  view(octets: Buffer, start: number, size: number): Uint8Array {
    if (octets !== this.#octets) {
      this.#octets = octets
      this.#memory = octets.buffer
      this.#offset = octets.byteOffset
    }
    return new Uint8Array(this.#memory, this.#offset + start, size)
  }
}

/** Memory that is given out piece by piece, and given up when the next piece does not fit. */
class Shared {
  readonly #capacity: number
  readonly #allocate: Allocate
  #memory: ArrayBufferLike = NO_OCTETS.buffer
  #free = 0
  #at = 0

  constructor(capacity: number, allocate: Allocate) {
    this.#capacity = capacity
    this.#allocate = allocate
  }

  take(size: number): Buffer {
    if (size > this.#free) {
      this.#memory = this.#allocate(this.#capacity)
      this.#free = this.#capacity
      this.#at = 0
    }
    const taken = new View(this.#memory, this.#at, size)
    this.#at += size
    this.#free -= size
    return taken
  }
}

export class OctetKeeper {
  readonly #source = new Source()
  readonly #small: Shared
  readonly #medium: Shared
  /** What was offered, and nothing has stayed in. */
  readonly #offered = new WeakSet<ArrayBufferLike>()

  /** @param allocate makes the memory that several share */
  constructor(allocate: Allocate = octets => allocUnsafeSlow(octets).buffer) {
    this.#small = new Shared(16 * 1024, allocate)
    this.#medium = new Shared(64 * 1024, allocate)
  }

  /** Memory to read into. The first large octets that are kept of what it holds are not copied. */
  offer(size: number): Buffer {
    const offered = NodeBuffer.allocUnsafeSlow(size)
    this.#offered.add(offered.buffer)
    return offered
  }

  /**
   * Where so many octets may stay that begin at `start`, when they, or the first of them, were read into memory that was
   * offered; the rest may be put there. Undefined when they were not.
   */
  adopt(octets: Buffer, start: number, size: number): Buffer | undefined {
    if (size < OFFERED_FROM) return undefined
    const memory = octets.buffer
    const offset = octets.byteOffset + start
    if (offset + size > memory.byteLength) return undefined
    return this.#offered.delete(memory) ? new View(memory, offset, size) : undefined
  }

  /** The octets from `start` up to `end`, for as long as somebody wants them: mostly a copy. */
  keep(buffer: Buffer, start: number, end: number): Buffer {
    const size = end - start
    const adopted = this.adopt(buffer, start, size)
    if (adopted !== undefined) return adopted
    const kept = this.#take(size)
    if (size > LOOP_UP_TO) kept.set(this.#source.view(buffer, start, size))
    else for (let index = 0; index < size; index++) kept[index] = buffer[start + index] as number
    return kept
  }

  #take(size: number): Buffer {
    if (size <= OWN_UP_TO || size > SHARED_UP_TO) return NodeBuffer.allocUnsafeSlow(size)
    return (size < SMALL_BELOW ? this.#small : this.#medium).take(size)
  }
}

/** What no application ever gets hold of: properties before they are read, commands that wait. */
const OWN = new OctetKeeper()

/** A copy that no application sees of the octets from `start` up to `end`. */
export function keepOctets(buffer: Buffer, start: number, end: number): Buffer {
  return OWN.keep(buffer, start, end)
}
