// The outbound buffer of a connection: commands are appended one behind the other and taken together, so that
// one write to the socket carries them all. Memory is bump-allocated: a region once taken is never written
// again, because the socket may hold it for long and does not say when it let go; the rest of the slab goes
// on being filled. It does not know what a command means, nor when it is sent.
//
//   sealed chunks   slab: | taken | committed, not taken | unfinished command | free |
//                         0       #taken                 start                at

import { ByteWriter } from './byte-writer.js'
import { NO_OCTETS } from './constants.js'

// A connection that sends a heartbeat now and then should cost little; one that publishes wants few writes to
// the socket (16 KiB slabs were measured to cost a quarter of the throughput of 64 KiB ones, 1 KiB slabs two
// thirds).
const FIRST_SLAB = 4 * 1024
const LARGEST_SLAB = 64 * 1024
// Too little for most commands: they would only be moved to the next slab.
const SCRAP = 512

export class Slab extends ByteWriter {
  #sealed: Buffer[] = []
  #taken = 0
  #appended = 0
  #nextCapacity = FIRST_SLAB

  /** Octets of the commands that were committed and not yet taken. */
  get appended(): number {
    return this.#appended
  }

  /**
   * Begins a command, where the last one was ended. There may be only one at a time: a getter in the tables
   * of one command that starts another command would otherwise leave half a frame in the stream.
   */
  override begin(): void {
    if (this.length !== 0) throw new Error('a command was begun inside another command')
  }

  /** Ends the current command: it will be sent. */
  commit(): void {
    this.#appended += this.length
    this.start = this.at
  }

  override rollback(): void {
    super.rollback()
    // A refused command may have grown to any size; nobody waits for its memory.
    if (this.#isOversize && this.at === 0) this.#drop()
  }

  /**
   * Hands over all committed commands, in order, as chunks that are the caller's: they are not written again.
   */
  take(): Buffer[] {
    const chunks = this.#sealed
    this.#sealed = []
    this.#sealCommitted(chunks)
    this.#appended = 0
    const isScrap = this.buffer.length - this.at < SCRAP
    if (this.length === 0 && (isScrap || this.#isOversize)) this.#drop()
    return chunks
  }

  protected override grow(octets: number): void {
    this.#sealCommitted(this.#sealed)
    const needed = this.length + octets
    this.moveTo(needed > this.#nextCapacity ? 2 * needed : this.#nextCapacity)
    this.#taken = 0
    this.#nextCapacity = Math.min(2 * this.#nextCapacity, LARGEST_SLAB)
  }

  get #isOversize(): boolean {
    return this.buffer.length > LARGEST_SLAB
  }

  #sealCommitted(chunks: Buffer[]): void {
    if (this.start > this.#taken) chunks.push(this.buffer.subarray(this.#taken, this.start))
    this.#taken = this.start
  }

  #drop(): void {
    this.buffer = NO_OCTETS
    this.start = 0
    this.at = 0
    this.#taken = 0
  }
}
