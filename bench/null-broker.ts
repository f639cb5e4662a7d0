// A broker that costs next to nothing, in a process of its own, so that what is measured is the client. Started with
// fork(): sends the port it listens on, and ends with its parent.

import { type AddressInfo, createServer } from 'node:net'
import { NullPeer } from './null-peer.js'

/** Clients connect by the thousand. */
const BACKLOG = 4096

const server = createServer(socket => new NullPeer(socket))
server.listen(0, '127.0.0.1', BACKLOG, () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
