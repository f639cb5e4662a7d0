// All addresses of a host, tried for one connection (RFC 8305, "Happy Eyeballs"): families take turns, beginning with that of
// the first answer; the next attempt begins when one has failed, or has not answered for a quarter of a second; the first
// that is connected wins, and the others are destroyed. Node's own (autoSelectFamily) gives up the attempt it waits for when it
// begins the next, so that a broker half a second away is never reached by its first address.

import { isIP, type Socket } from 'node:net'
import type { Clock, Timer } from './clock.js'

/** RFC 8305, 8: the recommended Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250

/** Who opens sockets, and is told how it went. */
export interface RaceOwner {
  /** Begins to connect. */
  open(address: string): Socket
  onWon(socket: Socket): void
  /** Every attempt has failed. */
  onLost(errors: readonly Error[]): void
}

export class AddressRace {
  readonly #clock: Clock
  readonly #owner: RaceOwner
  readonly #waiting: string[]
  readonly #running = new Map<Socket, string>()
  readonly #errors: Error[] = []
  #timer: Timer | undefined

  constructor(addresses: readonly string[], clock: Clock, owner: RaceOwner) {
    this.#waiting = inTurn([...new Set(addresses)])
    this.#clock = clock
    this.#owner = owner
  }

  start(): void {
    this.#next()
  }

  /** Why some attempts have failed. */
  get errors(): readonly Error[] {
    return this.#errors
  }

  /** The addresses that have not answered. */
  get unanswered(): readonly string[] {
    return [...this.#running.values()]
  }

  /** Gives up: every socket is destroyed. */
  stop(): void {
    this.#timer?.cancel()
    this.#waiting.length = 0
    for (const socket of this.#running.keys()) socket.destroy()
    this.#running.clear()
  }

  #next(): void {
    this.#timer?.cancel()
    const address = this.#waiting.shift()
    if (address !== undefined) this.#try(address)
    else if (this.#running.size === 0) this.#owner.onLost(this.#errors)
  }

  #try(address: string): void {
    let socket: Socket
    try {
      socket = this.#owner.open(address)
    } catch (error) {
      this.#errors.push(error as Error)
      return this.#next()
    }
    this.#running.set(socket, address)
    const onError = (error: Error): void => {
      // What a socket says that was destroyed meanwhile is nobody's affair.
      if (!this.#running.delete(socket)) return
      this.#errors.push(error)
      this.#next()
    }
    socket.on('error', onError)
    socket.once('connect', () => {
      if (!this.#running.delete(socket)) return
      this.stop()
      this.#owner.onWon(socket)
      socket.off('error', onError)
    })
    if (this.#waiting.length > 0) this.#timer = this.#clock.startTimer(() => this.#next(), ATTEMPT_DELAY_MS)
  }
}

/** One of each family in turn, each family in the order of the answers. */
function inTurn(addresses: readonly string[]): string[] {
  const [first = ''] = addresses
  const own = addresses.filter(address => isIP(address) === isIP(first))
  const other = addresses.filter(address => isIP(address) !== isIP(first))
  const pairs = Array.from({ length: Math.max(own.length, other.length) }, (_, n) => [own[n], other[n]])
  return pairs.flat().filter(address => address !== undefined)
}
