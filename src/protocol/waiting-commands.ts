// What waits on a lane, counted: what is issued next has to know of some of it.

import { type Command, isExclusive, nameOf } from './channel-commands.js'

export class WaitingCommands {
  /** Octets of calls. */
  callOctets = 0
  /** Calls that nothing may be beside. */
  exclusives = 0
  settlements = 0
  publishes = 0
  /** Publishes without a token: nobody asks after them. */
  tokenless = 0

  /** A command has begun, or ceased, to wait. */
  count(command: Command, by: 1 | -1): void {
    if (command.kind === 'call') {
      this.callOctets += by * command.octets
      if (isExclusive(nameOf(command))) this.exclusives += by
    } else if (command.kind === 'publish') {
      this.publishes += by
      if (command.token === undefined) this.tokenless += by
    } else if (command.kind === 'settlement') this.settlements += by
  }
}
