// What waits to be sent, and in which order it goes. It knows frames and channel numbers, no methods and no socket.
//
// Small commands of all channels go into one slab, in program order. A body of 64 KiB and more is a job: its octets are
// passed by reference, a frame at a time and in turn with the jobs of other channels, so that a large message delays
// nobody by more than a few frames. While a channel has a job, its later frames wait behind it (order per channel is
// strict, and nothing may stand inside a content). Every batch that is taken ends at a frame boundary, so a heartbeat
// may lead the next.
//
// A position counts the octets of commands in the order they were accepted, job bodies and heartbeats left out. Not one
// octet of a command has reached the socket as long as its position is not below `handedOver`.

import {
  ArgumentError,
  FRAME_END,
  FRAME_HEADER_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  HEARTBEAT_FRAME,
  LARGE_SLAB,
  SLAB_POOL,
  Slab,
  writeBodyFrames,
  writeFrameHeader,
} from '../frames/index.js'
import type { Encode } from './frame-writers.js'
import type { PublishTemplate } from './publish-template.js'

/** Bodies up to this are copied into the slab; above, a writev entry costs less than the copy (measured: 8 KiB). */
export const COPY_LIMIT: number = 8 * 1024
/** Bodies from here on are drained a frame at a time. */
const JOB_LIMIT = 64 * 1024
/**
 * Octets in one batch: enough to keep a socket busy, few enough that what comes after need not wait long. The frame that goes
 * beyond it goes whole, and so do the last few octets of a body.
 */
const BATCH_LIMIT = 256 * 1024
/** Body frames of a job are at most this long, also where the peer allows longer ones, to keep everybody's turn short. */
const JOB_FRAME_LIMIT = 128 * 1024

const NOBODY: readonly number[] = Object.freeze([])

const FRAME_END_OCTET: Buffer = Buffer.from([FRAME_END])

interface Chunk {
  readonly octets: Buffer
  /** Its length when it was accepted. */
  readonly size: number
  /** False inside a frame that passes its payload by reference: the next chunk belongs to it too. */
  readonly endsFrame: boolean
  /** Memory of ours that is free when the socket has this chunk. */
  readonly spent: Buffer | undefined
}

interface BodyJob {
  readonly channelNumber: number
  readonly body: Buffer
  /** Its length when it was accepted. */
  readonly size: number
  offset: number
  /** Position behind its method and header frame: when these are gone the body may follow. */
  readonly startsAt: number
  /** What the channel sends after the body. */
  readonly tail: Slab
}

export class Outbound {
  /** Octets of a whole frame at most; as negotiated. */
  frameMax: number
  readonly #slab = new Slab()
  /** This and what is below is undefined when there is none: an idle connection has no memory for it. */
  #ready: Chunk[] | undefined
  #readyOctets = 0
  #jobs: Map<number, BodyJob> | undefined
  #jobOctets = 0
  /** Channels of which octets are sent from where they are, and the position behind the last of them. */
  #lent: Map<number, number> | undefined
  #heartbeatLeads = false
  #heartbeats = 0
  #frames = 0
  #accepted = 0
  #handedOver = 0
  #taken = 0
  #written = 0
  /** Memory of ours that is free when the socket has all that was taken. */
  #spent: Buffer[] | undefined

  constructor(frameMax: number) {
    this.frameMax = frameMax
  }

  /** Octets that wait to be taken. */
  get size(): number {
    const leading = this.#heartbeatLeads ? HEARTBEAT_FRAME.length : 0
    return this.#readyOctets + this.#slab.appended + this.#jobOctets + leading
  }

  /** Whether it pays to send before the turn ends: there is as much as a slab holds. */
  get isFull(): boolean {
    return this.size >= LARGE_SLAB
  }

  /** Octets that wait in order: large bodies, which take turns with everything else, left out. */
  get queued(): number {
    return this.#readyOctets + this.#slab.appended
  }

  /** Frames accepted so far, heartbeats left out. */
  get frames(): number {
    return this.#frames
  }

  /** Heartbeats taken so far. */
  get heartbeats(): number {
    return this.#heartbeats
  }

  /** Commands with a lower position have left, or begun to. */
  get handedOver(): number {
    return this.#handedOver
  }

  /** Octets of everything that was accepted for sending so far, taken or not. */
  get appended(): number {
    return this.#taken + this.size
  }

  /** Octets of all batches so far. */
  get taken(): number {
    return this.#taken
  }

  /** Octets of the last batch, until the socket has them. */
  get inFlight(): number {
    return this.#taken - this.#written
  }

  /** Whether large bodies are on their way. */
  get hasJobs(): boolean {
    return this.#jobs !== undefined
  }

  /** Whether the channel's frames wait behind a large body of its own. */
  isBusy(channelNumber: number): boolean {
    return this.#jobs?.has(channelNumber) === true
  }

  /** Whether octets of the channel are being sent from where they are: they must not change yet. */
  isLent(channelNumber: number): boolean {
    return this.#lent?.has(channelNumber) === true
  }

  /**
   * Appends one command; `encode` puts whole frames. When it throws, nothing of the command stays. Returns the position
   * of its first octet.
   */
  append<T>(channelNumber: number, encode: Encode<T>, value: T): number {
    const job = this.#jobs?.get(channelNumber)
    const position = this.#accepted
    const octets = this.#encode(
      job === undefined ? this.#slab : job.tail,
      channelNumber,
      encode,
      value,
      undefined,
    )
    if (job === undefined) this.#accepted += octets
    else this.#jobOctets += octets
    return position
  }

  /**
   * Appends a content: `encode` puts its method and header frame, the body follows. More than a few KiB of body are not
   * copied: the octets must not change until they are taken. The channel must not be busy.
   */
  appendContent<T>(channelNumber: number, encode: Encode<T>, value: T, body: Buffer): number {
    const position = this.#accepted
    const copied = body.length <= COPY_LIMIT ? body : undefined
    this.#accepted += this.#encode(this.#slab, channelNumber, encode, value, copied)
    if (copied !== undefined) return position
    if (body.length < JOB_LIMIT) this.#appendByReference(channelNumber, body)
    else this.#beginJob(channelNumber, body)
    this.#lent ??= new Map()
    this.#lent.set(channelNumber, this.#accepted)
    return position
  }

  /** Appends a content whose frames are known but for the body, which is small. The channel must not be busy. */
  appendStamped(template: PublishTemplate, body: Buffer): number {
    const position = this.#accepted
    this.#slab.begin()
    this.#frames += template.stamp(this.#slab, body)
    this.#accepted += this.#slab.length
    this.#slab.commit()
    return position
  }

  /** A heartbeat leads whatever goes next; one says as much as several. */
  leadWithHeartbeat(): void {
    this.#heartbeatLeads = true
  }

  /** Forgets everything that was not taken: the connection is ending. Memory that may be with the socket is not used again. */
  clear(): void {
    this.#slab.take()
    this.#ready = undefined
    this.#readyOctets = 0
    this.#jobs = undefined
    this.#jobOctets = 0
    this.#heartbeatLeads = false
  }

  /**
   * The next batch of whole frames, or undefined when nothing waits. It is lent until {@link noteWritten}. `refill` is called
   * whenever there is room left in it: what waits for its turn elsewhere may be appended then, and goes with this batch.
   */
  take(refill: () => void = () => {}): Buffer[] | undefined {
    const batch: Buffer[] = []
    if (this.#heartbeatLeads) {
      batch.push(HEARTBEAT_FRAME)
      this.#heartbeatLeads = false
      this.#heartbeats++
    }
    for (let room = BATCH_LIMIT, taken = 1; room > 0 && taken > 0; room -= taken) {
      taken = this.#fill(batch, room)
      if (taken < room) refill()
    }
    if (batch.length === 0) return undefined
    for (const octets of batch) this.#taken += octets.length
    return batch
  }

  /** The socket has all that was taken. Returns the channels whose octets it does not need any more where they are. */
  noteWritten(): readonly number[] {
    this.#written = this.#taken
    for (const memory of this.#spent ?? []) SLAB_POOL.give(memory)
    this.#spent = undefined
    if (this.#lent === undefined) return NOBODY
    const returned: number[] = []
    for (const [channelNumber, position] of this.#lent) {
      if (position > this.#handedOver || this.isBusy(channelNumber)) continue
      this.#lent.delete(channelNumber)
      returned.push(channelNumber)
    }
    if (this.#lent.size === 0) this.#lent = undefined
    return returned
  }

  /** Writes one command whole or not at all; returns its length. */
  #encode<T>(
    slab: Slab,
    channelNumber: number,
    encode: Encode<T>,
    value: T,
    body: Buffer | undefined,
  ): number {
    slab.begin()
    try {
      this.#frames += encode(slab, channelNumber, this.frameMax, value)
      if (body !== undefined) {
        writeBodyFrames(slab, channelNumber, body, this.frameMax)
        this.#frames += Math.ceil(body.length / (this.frameMax - FRAME_OVERHEAD))
      }
    } catch (error) {
      slab.rollback()
      throw error
    }
    const { length } = slab
    slab.commit()
    return length
  }

  #appendByReference(channelNumber: number, body: Buffer): void {
    const limit = this.frameMax - FRAME_OVERHEAD
    for (let offset = 0; offset < body.length; offset += limit) {
      const piece = body.subarray(offset, offset + limit)
      this.#slab.begin()
      writeFrameHeader(this.#slab, FrameType.Body, channelNumber, piece.length)
      this.#slab.commit()
      this.#sealInFrame()
      this.#push(piece, false)
      this.#push(FRAME_END_OCTET, true)
      this.#accepted += piece.length + FRAME_OVERHEAD
      this.#frames++
    }
  }

  #beginJob(channelNumber: number, body: Buffer): void {
    const tail = new Slab()
    const startsAt = this.#accepted
    this.#jobs ??= new Map()
    this.#jobs.set(channelNumber, { channelNumber, body, size: body.length, offset: 0, startsAt, tail })
    this.#jobOctets += body.length
  }

  /** Moves what is in the slab to the chunks. */
  #seal(): void {
    for (const { octets, spent } of this.#slab.take()) this.#push(octets, true, spent)
  }

  /** The same in front of a payload that is passed by reference; what comes behind it goes into the same memory. */
  #sealInFrame(): void {
    const sealed = this.#slab.take(true)
    sealed.forEach(({ octets, spent }, index) => {
      this.#push(octets, index < sealed.length - 1, spent)
    })
  }

  #push(octets: Buffer, endsFrame: boolean, spent?: Buffer): void {
    this.#ready ??= []
    this.#ready.push({ octets, size: octets.length, endsFrame, spent })
    this.#readyOctets += octets.length
  }

  /** Takes about as many octets, whole frames; fewer when there are not as many. */
  #fill(batch: Buffer[], limit: number): number {
    this.#seal()
    // Neither small commands nor large bodies may starve the other.
    let taken = this.#takeReady(batch, this.hasJobs ? limit / 2 : limit)
    for (let job = this.#nextJob(); job !== undefined; job = this.#nextJob()) {
      const excess = taken - limit
      // The last few octets of a body would cost a write of their own.
      if (excess > COPY_LIMIT || (excess >= 0 && job.size - job.offset > COPY_LIMIT)) break
      taken += this.#takeFrame(batch, job)
    }
    return taken
  }

  #takeReady(batch: Buffer[], limit: number): number {
    const ready = this.#ready
    if (ready === undefined) return 0
    let taken = 0
    let count = 0
    let atFrameEnd = true
    for (const { octets, size, endsFrame, spent } of ready) {
      if (taken >= limit && atFrameEnd && size > 0) break
      expectIntact(octets, size)
      if (size > 0) batch.push(octets)
      if (spent !== undefined) {
        this.#spent ??= []
        this.#spent.push(spent)
      }
      taken += size
      atFrameEnd = endsFrame
      count++
    }
    this.#ready = count === ready.length ? undefined : ready.slice(count)
    this.#readyOctets -= taken
    this.#handedOver += taken
    return taken
  }

  #nextJob(): BodyJob | undefined {
    for (const job of this.#jobs?.values() ?? []) {
      if (job.startsAt <= this.#handedOver) return job
    }
    return undefined
  }

  #takeFrame(batch: Buffer[], job: BodyJob): number {
    expectIntact(job.body, job.size)
    const size = Math.min(this.frameMax - FRAME_OVERHEAD, JOB_FRAME_LIMIT, job.size - job.offset)
    const header = bodyFrameHeader(job.channelNumber, size)
    batch.push(header, job.body.subarray(job.offset, job.offset + size), FRAME_END_OCTET)
    job.offset += size
    this.#frames++
    this.#jobOctets -= size
    const jobs = this.#jobs as Map<number, BodyJob>
    jobs.delete(job.channelNumber)
    if (job.offset < job.size) jobs.set(job.channelNumber, job)
    else {
      if (jobs.size === 0) this.#jobs = undefined
      this.#releaseTail(job)
    }
    return size + FRAME_OVERHEAD
  }

  #releaseTail(job: BodyJob): void {
    this.#seal()
    for (const { octets, spent } of job.tail.take()) {
      this.#push(octets, true, spent)
      this.#accepted += octets.length
      this.#jobOctets -= octets.length
    }
  }
}

/** What is passed by reference is still the application's; an ArrayBuffer that was transferred away has no octets. */
function expectIntact(octets: Buffer, size: number): void {
  if (octets.length === size) return
  throw new ArgumentError('body', 'must stay as it is until its promise settles: its octets are gone')
}

/** The octets in front of a body that is not copied. */
function bodyFrameHeader(channelNumber: number, size: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_SIZE)
  header.writeUInt8(FrameType.Body, 0)
  header.writeUInt16BE(channelNumber, 1)
  header.writeUInt32BE(size, 3)
  return header
}
