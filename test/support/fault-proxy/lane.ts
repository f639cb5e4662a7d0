// One direction of a link: octets from the source socket to the sink socket, and what is done to them on the way. Faults
// that change octets are applied as they are read; those that change time, as they are sent on, in order:
//
//   source ─read─▶ [corrupt] [swallow heartbeats] [black hole] ─▶ queue ─▶ [freeze] [delay] [throttle] [chunk] ─▶ sink
//
// The end of the stream and a reset travel through the same queue. Time is real: the peers are other processes. It does
// not know of the other direction.

import type { Socket } from 'node:net'
import { type Corruption, type LaneFaults, NO_FAULTS } from './fault-controls.js'
import { FrameScanner, type Segment } from './frame-scanner.js'

/** A longer queue stops the reading: a sink that does not read is felt by the source. */
const QUEUE_LIMIT_OCTETS = 64 * 1024

/** With a delay the queue is the line itself, and what is on its way must have room. */
const DELAYED_QUEUE_LIMIT_OCTETS = 16 * 1024 * 1024

const THROTTLE_INTERVAL_MS = 10

const HEARTBEAT = 8

interface Queued {
  cargo: Buffer | 'end' | 'reset'
  readonly enqueuedAt: number
}

export class Lane {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #scanner = new FrameScanner()
  readonly #queue: Queued[] = []
  readonly #corruptions: { readonly what: Corruption; inFrame: boolean }[] = []
  #faults: LaneFaults
  #queuedOctets = 0
  #received = 0
  #forwarded = 0
  #swallowing = false
  #sinkIsFull = false
  #nextWriteAt = 0
  #cancelWakeUp: (() => void) | undefined

  constructor(source: Socket, sink: Socket, faults: LaneFaults = NO_FAULTS) {
    this.#source = source
    this.#sink = sink
    this.#faults = faults
    source.on('data', chunk => this.#receive(chunk))
    source.on('end', () => this.#enqueue('end'))
    source.on('error', () => this.#enqueue('reset'))
    sink.on('drain', () => {
      this.#sinkIsFull = false
      this.#forward()
    })
    sink.on('close', () => this.#discardQueue())
    this.#forward()
  }

  /** Octets read from the source. */
  get received(): number {
    return this.#received
  }

  /** Octets written to the sink. */
  get forwarded(): number {
    return this.#forwarded
  }

  change(faults: Partial<LaneFaults>): void {
    this.#faults = { ...this.#faults, ...faults }
    this.#stopWaiting()
    this.#nextWriteAt = 0
    this.#forward()
  }

  /** Throws a RangeError when the octet has already passed. */
  corrupt(what: Corruption): void {
    if ('offset' in what && what.offset < this.#received) {
      throw new RangeError(`octet ${what.offset} has passed: ${this.#received} octets were received`)
    }
    this.#corruptions.push({ what, inFrame: false })
  }

  /** Ends the stream to the sink now; what was not sent on yet, and what comes later, is discarded. */
  end(): void {
    this.#discardQueue()
    this.#sink.end()
  }

  #receive(chunk: Buffer): void {
    const kept: Buffer[] = []
    for (const segment of this.#scanner.scan(chunk)) {
      // Before the corruption: a heartbeat is swallowed for what it was.
      if (segment.part === 'type') {
        this.#swallowing = this.#faults.swallowHeartbeats && chunk[segment.start] === HEARTBEAT
      }
      this.#corruptSegment(chunk, segment)
      if (!this.#swallowing) kept.push(chunk.subarray(segment.start, segment.end))
      if (segment.part === 'end') this.#swallowing = false
    }
    this.#received += chunk.length
    if (kept.length > 0) this.#enqueue(Buffer.concat(kept))
  }

  #corruptSegment(chunk: Buffer, segment: Segment): void {
    for (const corruption of [...this.#corruptions]) {
      if (segment.part === 'type') corruption.inFrame = true
      const index = this.#indexOf(corruption.what, corruption.inFrame, segment)
      if (index === undefined || index < segment.start || index >= segment.end) continue
      chunk.writeUInt8(chunk.readUInt8(index) ^ (corruption.what.xor ?? 0xff), index)
      this.#corruptions.splice(this.#corruptions.indexOf(corruption), 1)
    }
  }

  /** Where in the chunk the octet to be flipped lies, seen from this segment; undefined when it is no part of it. */
  #indexOf(what: Corruption, inFrame: boolean, segment: Segment): number | undefined {
    if ('offset' in what) return what.offset - this.#received
    if (!inFrame || what.nextFrame !== segment.part) return undefined
    const octet = what.octet ?? (what.nextFrame === 'payload' ? 0 : segment.length - 1)
    return segment.start + octet - segment.position
  }

  #enqueue(cargo: Queued['cargo']): void {
    if (this.#faults.blackHole || this.#sink.writableEnded || this.#sink.destroyed) return
    this.#queue.push({ cargo, enqueuedAt: performance.now() })
    if (typeof cargo !== 'string') this.#queuedOctets += cargo.length
    this.#forward()
  }

  /** Sends on all that may be sent on now, then waits for whichever comes first of what the rest waits for. */
  #forward(): void {
    let head = this.#queue[0]
    while (
      head !== undefined &&
      !this.#faults.frozen &&
      !this.#sinkIsFull &&
      this.#cancelWakeUp === undefined
    ) {
      const dueInMs = Math.max(head.enqueuedAt + this.#faults.delayMs, this.#nextWriteAt) - performance.now()
      if (dueInMs > 0) this.#wakeUpIn(dueInMs)
      else this.#send(head)
      head = this.#queue[0]
    }
    this.#steerReading()
  }

  #send(head: Queued): void {
    if (typeof head.cargo === 'string') {
      const { cargo } = head
      this.#discardQueue()
      if (cargo === 'end') this.#sink.end()
      else this.#sink.resetAndDestroy()
      return
    }
    const { chunkOctets, octetsPerSecond } = this.#faults
    const perInterval = Math.max(1, Math.floor((octetsPerSecond * THROTTLE_INTERVAL_MS) / 1000))
    const piece = head.cargo.subarray(0, Math.min(chunkOctets, perInterval))
    head.cargo = head.cargo.subarray(piece.length)
    if (head.cargo.length === 0) this.#queue.shift()
    this.#queuedOctets -= piece.length
    this.#forwarded += piece.length
    this.#sinkIsFull = !this.#sink.write(piece)
    // What a late timer cost is caught up with, one interval of it at most: the rate holds on average.
    const now = performance.now()
    const takesMs = (piece.length / octetsPerSecond) * 1000
    this.#nextWriteAt = Math.max(this.#nextWriteAt, now - THROTTLE_INTERVAL_MS) + takesMs
    // Writes of one turn would reach the sink's reader as one chunk.
    if (Number.isFinite(chunkOctets)) this.#wakeUpNextTurn()
  }

  #wakeUpIn(delayMs: number): void {
    const timer = setTimeout(() => this.#wakeUp(), delayMs)
    this.#cancelWakeUp = () => clearTimeout(timer)
  }

  /** An immediate runs in the turn that asks for it, before the sink's reader was polled; its own runs in the next. */
  #wakeUpNextTurn(): void {
    let immediate = setImmediate(() => {
      immediate = setImmediate(() => this.#wakeUp())
    })
    this.#cancelWakeUp = () => clearImmediate(immediate)
  }

  #wakeUp(): void {
    this.#cancelWakeUp = undefined
    this.#forward()
  }

  #stopWaiting(): void {
    this.#cancelWakeUp?.()
    this.#cancelWakeUp = undefined
  }

  #steerReading(): void {
    const { frozen, delayMs } = this.#faults
    const limit = delayMs > 0 ? DELAYED_QUEUE_LIMIT_OCTETS : QUEUE_LIMIT_OCTETS
    if (frozen || this.#queuedOctets > limit) this.#source.pause()
    else this.#source.resume()
  }

  #discardQueue(): void {
    this.#stopWaiting()
    this.#queue.length = 0
    this.#queuedOctets = 0
  }
}
