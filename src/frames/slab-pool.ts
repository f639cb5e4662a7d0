// Memory for slabs, shared by all connections of a process. A connection holds some only while it has octets that the
// socket has not taken: one that is idle holds none, and one that is busy writes into memory that is still in the
// processor's cache. (A fresh slab for each write was measured to cost a message of 1 KiB as much again as its copy.)
//
// Two sizes: a connection that sends a heartbeat's worth of commands now and then should not touch 64 KiB for them, and
// one that publishes wants few writes to the socket (16 KiB slabs cost a quarter of the throughput of 64 KiB ones).

/** Octets of the slab that a connection begins with. */
export const SMALL_SLAB: number = 4 * 1024
/** Octets of all slabs behind it, until it has little to send again. */
export const LARGE_SLAB: number = 64 * 1024

/** Octets of each size that are kept for the next who asks. */
const KEPT = 1024 * 1024

export class SlabPool {
  readonly #free: ReadonlyMap<number, Buffer[]> = new Map([
    [SMALL_SLAB, []],
    [LARGE_SLAB, []],
  ])

  /** Memory of that many octets. Not of Node's shared pool: the socket holds it, and other people's octets with it. */
  take(size: number): Buffer {
    return this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Nobody reads or writes this memory any more. Sizes that are no slab's are left to the garbage collector. */
  give(memory: Buffer): void {
    const free = this.#free.get(memory.length)
    if (free !== undefined && free.length * memory.length < KEPT) free.push(memory)
  }
}

/** The pool of the process. */
export const SLAB_POOL: SlabPool = new SlabPool()
