// The faults that last until they are lifted, and the words for them, which are the same for one link and for all of a
// proxy. It does not know how a fault is done (lane.ts does).

/** A direction of a link: what the client sends goes toServer. */
export type Direction = 'toServer' | 'toClient'

export const DIRECTIONS: readonly Direction[] = ['toServer', 'toClient']

/** What is done to the octets of one direction. */
export interface LaneFaults {
  readonly frozen: boolean
  readonly blackHole: boolean
  readonly delayMs: number
  readonly octetsPerSecond: number
  readonly chunkOctets: number
  readonly swallowHeartbeats: boolean
}

export const NO_FAULTS: LaneFaults = Object.freeze({
  frozen: false,
  blackHole: false,
  delayMs: 0,
  octetsPerSecond: Number.POSITIVE_INFINITY,
  chunkOctets: Number.POSITIVE_INFINITY,
  swallowHeartbeats: false,
})

/** Where an octet is flipped: at an offset of the stream (from 0, as received), or in the next frame to begin. */
export type Corruption = {
  readonly direction: Direction
  /** What the octet is XORed with; 0xff by default. */
  readonly xor?: number | undefined
} & (
  | { readonly offset: number }
  | {
      readonly nextFrame: 'type' | 'channel' | 'size' | 'payload' | 'end'
      /** Which octet of that part, from 0; the last one by default, the first one of a payload. */
      readonly octet?: number | undefined
    }
)

export abstract class FaultControls {
  /** Stops reading: the kernel's buffers fill, and then the sender's. What was read and not sent on waits too. */
  freeze(direction: Direction | 'both' = 'both'): void {
    this.change(direction, { frozen: true })
  }

  /** Lifts a freeze. */
  thaw(direction: Direction | 'both' = 'both'): void {
    this.change(direction, { frozen: false })
  }

  /** Reads and discards, the end of the stream and a reset too: the other side never hears of them. */
  blackHole(direction: Direction | 'both' = 'both'): void {
    this.change(direction, { blackHole: true })
  }

  /** Every octet, and the end of the stream, arrives `delayMs` later; 0 lifts it. */
  delay(delayMs: number, direction: Direction | 'both' = 'both'): void {
    this.change(direction, { delayMs })
  }

  /** Sends on at most so many octets per second, in pieces of about 10 ms; Infinity lifts it. */
  throttle(octetsPerSecond: number, direction: Direction | 'both' = 'both'): void {
    this.change(direction, { octetsPerSecond })
  }

  /** Sends on at most `chunkOctets` per write, and one write per turn of the event loop; Infinity lifts it. */
  chunk(chunkOctets: number, direction: Direction | 'both' = 'both'): void {
    this.change(direction, { chunkOctets })
  }

  /** Removes the heartbeat frames that begin from now on, and nothing else, in an AMQP stream. */
  swallowHeartbeats(direction: Direction | 'both' = 'both'): void {
    this.change(direction, { swallowHeartbeats: true })
  }

  /** Lifts every fault that lasts. What a black hole has swallowed stays lost. */
  clear(direction: Direction | 'both' = 'both'): void {
    this.change(direction, NO_FAULTS)
  }

  /** Sets faults as they are, not by their words. */
  abstract change(direction: Direction | 'both', faults: Partial<LaneFaults>): void
}
