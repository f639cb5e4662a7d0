// Loopback ports for listeners that others dial. They are taken from below the range that the kernel gives to
// outgoing connections (32768 and up on Linux, 49152 and up elsewhere): a node that is restarted, or a proxy that
// refused for a while, must find its port still free, and no client's socket may have been given it meanwhile.

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const LOWEST_PORT = 20_000
const HIGHEST_PORT = 32_767
const ATTEMPTS = 50

/** A port of 127.0.0.1 nobody listens on now; another process may take it before the caller does. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${LOWEST_PORT} and ${HIGHEST_PORT} in ${ATTEMPTS} attempts`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
