// Loads a client out of bench's own packages, which the project's own checks do without: whoever loads one says what of
// it is used.

import { createRequire } from 'node:module'
import { inCheckout } from '../checkout.js'

const load = createRequire(inCheckout('bench', 'package.json'))

export function loadPeer<Peer>(name: string): Peer {
  return load(name) as Peer
}

/** The installed version. */
export function versionOfPeer(name: string): string {
  const manifest = inCheckout('bench', 'node_modules', name, 'package.json')
  return (load(manifest) as { version: string }).version
}
