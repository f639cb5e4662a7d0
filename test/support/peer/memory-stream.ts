// Two streams joined in memory, like the two sockets of a connection: octets arrive in a later turn, the writer is told that
// they are written when the reader has taken them (or a buffer has room for them, as the kernel's has), and a reader
// that pauses stops the writer. No time passes on the way. It knows no AMQP.

import { Duplex } from 'node:stream'

export interface MemoryStreamOptions {
  /** Octets that a side takes from the writer though nobody reads them: the kernel's buffers. Default 0. */
  readonly bufferOctets?: number | undefined
}

/** One side. */
export class MemoryStream extends Duplex {
  /** Octets of every write that reached the other side, in order. */
  readonly writes: Buffer[] = []
  #other: MemoryStream | undefined
  /** Tells the writer that its octets are taken. */
  #taken: (() => void) | undefined

  private constructor({ bufferOctets = 0 }: MemoryStreamOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: bufferOctets })
  }

  /** The two sides. */
  static pair(options: MemoryStreamOptions = {}): [MemoryStream, MemoryStream] {
    const one = new MemoryStream(options)
    const other = new MemoryStream(options)
    one.#other = other
    other.#other = one
    return [one, other]
  }

  /** Ends both directions at once and tells the other side with an error, as RST does. */
  reset(): void {
    const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    this.#other?.destroy(error)
    this.destroy()
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#send([chunk], done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: () => void): void {
    process.nextTick(() => this.#other?.push(null))
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const other = this.#other
    process.nextTick(() => {
      if (other !== undefined && !other.destroyed && !other.readableEnded) other.push(null)
    })
    done(error)
  }

  /** The octets are the writer's again as soon as it is told that they are written: they are copied. */
  #send(chunks: readonly Buffer[], done: (error?: Error) => void): void {
    const octets = Buffer.concat(chunks)
    this.writes.push(octets)
    process.nextTick(() => (this.#other as MemoryStream).#receive(octets, done))
  }

  #receive(octets: Buffer, taken: () => void): void {
    if (this.destroyed) return
    this.#taken = taken
    this.push(octets)
  }
}
