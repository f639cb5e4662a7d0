// The outbound buffer of a connection: commands are appended one behind the other and taken together, so that
// one write to the socket carries them all. What is taken is lent until the socket has it, and never written
// meanwhile; then the memory is for the next slab, whosever that is. It does not know what a command means,
// nor when it is sent.
//
//   sealed chunks   slab: | sealed | committed, not sealed | unfinished command | free |
//                         0        #sealedTo               start                at

import { ByteWriter } from './byte-writer.js'
import { NO_OCTETS } from './constants.js'
import { LARGE_SLAB, SLAB_POOL, type SlabPool, SMALL_SLAB } from './slab-pool.js'

/** Committed commands, as a view of the memory they were written to. */
export interface SlabChunk {
  readonly octets: Buffer
  /** Memory that nothing refers to once this chunk, and all before it, is with the socket. */
  readonly spent: Buffer | undefined
}

const NO_CHUNKS: readonly SlabChunk[] = Object.freeze([])

export class Slab extends ByteWriter {
  readonly #pool: SlabPool
  #chunks: SlabChunk[] | undefined
  #sealedTo = 0
  #appended = 0
  /** Whether more than a small slab was appended between one taking and the next. */
  #busy = false

  /** What it writes to comes from the pool; whoever takes chunks gives it back there. */
  constructor(pool: SlabPool = SLAB_POOL) {
    super()
    this.#pool = pool
  }

  /** Octets of the commands that were committed and not yet taken. */
  get appended(): number {
    return this.#appended
  }

  /**
   * Begins a command, where the last one was ended. There may be only one at a time: a getter in the tables
   * of one command that starts another command would otherwise leave half a frame in the stream.
   */
  override begin(): void {
    if (this.at !== this.start) throw new Error('a command was begun inside another command')
  }

  /** Ends the current command: it will be sent. */
  commit(): void {
    this.#appended += this.at - this.start
    this.start = this.at
  }

  override rollback(): void {
    super.rollback()
    // A refused command may have grown to any size; nobody waits for its memory.
    if (this.at > 0) return
    this.#pool.give(this.buffer)
    this.buffer = NO_OCTETS
  }

  /**
   * Hands over all committed commands, in order, as chunks that stay as they are until their memory is released. With
   * `continues` more is to come behind them, and goes into the same memory.
   */
  take(continues = false): readonly SlabChunk[] {
    if (continues || this.at > this.start) this.#seal(undefined)
    else {
      this.#busy = this.#appended > SMALL_SLAB
      this.#retire()
    }
    const chunks = this.#chunks ?? NO_CHUNKS
    this.#chunks = undefined
    this.#appended = 0
    return chunks
  }

  protected override grow(octets: number): void {
    const needed = this.length + octets
    const isFirst = this.buffer === NO_OCTETS
    const standard = isFirst && !this.#busy && needed <= SMALL_SLAB ? SMALL_SLAB : LARGE_SLAB
    if (!isFirst) this.#seal(this.buffer)
    this.moveTo(this.#pool.take(needed > standard ? 2 * needed : standard))
    this.#sealedTo = 0
  }

  /** All that is in the memory is committed: it goes with its last chunk. */
  #retire(): void {
    if (this.buffer === NO_OCTETS) return
    this.#seal(this.buffer)
    this.buffer = NO_OCTETS
    this.start = 0
    this.at = 0
    this.#sealedTo = 0
  }

  /** A chunk without octets still says that the memory of those before it is spent. */
  #seal(spent: Buffer | undefined): void {
    if (this.start === this.#sealedTo && spent === undefined) return
    this.#chunks ??= []
    this.#chunks.push({ octets: this.buffer.subarray(this.#sealedTo, this.start), spent })
    this.#sealedTo = this.start
  }
}
