// Where the bodies of deliveries are kept, those of all connections. Small ones share their memory, and an application may hand the
// memory of a body to a worker (the transfer list of postMessage): what lies beside it would be gone with it. Memory that is
// marked stays, as Node's own pool of buffers does.

import { markAsUntransferable } from 'node:worker_threads'
import { OctetKeeper } from '../protocol/index.js'

export const BODIES: OctetKeeper = new OctetKeeper(octets => {
  const memory = Buffer.allocUnsafeSlow(octets).buffer
  markAsUntransferable(memory)
  return memory
})
