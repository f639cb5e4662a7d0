// The server of the long runs in a process of its own, so that what is measured is the client. Started with fork(): sends the
// port it listens on, and ends with its parent.

import { type AddressInfo, createServer } from 'node:net'
import { SoakPeer } from './soak-peer.js'

const server = createServer(socket => {
  socket.setNoDelay(true)
  new SoakPeer(socket)
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
