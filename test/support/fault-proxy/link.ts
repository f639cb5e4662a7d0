// One connection through the proxy: the client's socket, the socket to the server, and a lane for each direction.

import type { Socket } from 'node:net'
import {
  type Corruption,
  DIRECTIONS,
  type Direction,
  FaultControls,
  type LaneFaults,
} from './fault-controls.js'
import { Lane } from './lane.js'

/** Octets of one direction: read from the one side, written to the other. */
export interface OctetCount {
  readonly received: number
  readonly forwarded: number
}

export class Link extends FaultControls {
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<void>

  readonly #client: Socket
  readonly #server: Socket
  readonly #lanes: Readonly<Record<Direction, Lane>>

  /** Both sockets with `allowHalfOpen`, or the end of one direction would end the other. */
  constructor(client: Socket, server: Socket, faults: Readonly<Record<Direction, LaneFaults>>) {
    super()
    this.#client = client
    this.#server = server
    client.setNoDelay()
    server.setNoDelay()
    this.closed = Promise.all([closeOf(client), closeOf(server)]).then(() => {})
    this.#lanes = {
      toServer: new Lane(client, server, faults.toServer),
      toClient: new Lane(server, client, faults.toClient),
    }
  }

  /** The client's port, by which RabbitMQ's log and the client's errors would name it without a proxy. */
  get clientPort(): number | undefined {
    return this.#client.remotePort
  }

  /** Octets both ways. */
  get octets(): Readonly<Record<Direction, OctetCount>> {
    const { toServer, toClient } = this.#lanes
    return {
      toServer: { received: toServer.received, forwarded: toServer.forwarded },
      toClient: { received: toClient.received, forwarded: toClient.forwarded },
    }
  }

  /** Sends RST to the client, to the server, or to both. */
  reset(direction: Direction | 'both' = 'both'): void {
    if (direction !== 'toServer') this.#client.resetAndDestroy()
    if (direction !== 'toClient') this.#server.resetAndDestroy()
  }

  /** Sends FIN in one direction, now; the other one goes on. */
  halfClose(direction: Direction): void {
    this.#lanes[direction].end()
  }

  /** Flips an octet that is still to come; throws a RangeError when it has passed. */
  corrupt(corruption: Corruption): void {
    this.#lanes[corruption.direction].corrupt(corruption)
  }

  /** Drops both sockets, without regard to what is under way. */
  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  change(direction: Direction | 'both', faults: Partial<LaneFaults>): void {
    for (const each of DIRECTIONS) {
      if (direction === 'both' || direction === each) this.#lanes[each].change(faults)
    }
  }
}

/** `once` would reject on an error event, and every socket's error is followed by its close. */
async function closeOf(socket: Socket): Promise<void> {
  await new Promise<void>(resolve => socket.once('close', () => resolve()))
}
