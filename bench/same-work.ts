// Whether all have written what their messages take: `raw` writes nothing else, and whoever writes less has not published
// the same.

import { nameOf, type Workload } from './cases.js'
import type { Quantity, Results } from './results.js'

const PUBLISHING: readonly Workload[] = ['publish', 'confirm', 'confirm-one', 'rich-publish']

/** The calls at the end of a round count as octets of its messages, and rounds differ in length. */
const TOLERANCE = 0.01
/** Small integers have more than one encoding. */
const RICH_TOLERANCE = 0.1

const octetsPerMessage: Quantity = ({ octetsWritten, messages }) => octetsWritten / messages

/** Throws unless it is so. */
export function expectSameWork(results: Results): void {
  for (const work of results.works.filter(({ workload }) => PUBLISHING.includes(workload))) {
    if (!results.has({ ...work, client: 'raw' })) continue
    const floor = results.median({ ...work, client: 'raw' }, octetsPerMessage)
    const tolerance = work.workload === 'rich-publish' ? RICH_TOLERANCE : TOLERANCE
    // Nobody looks into the sockets of the client in C.
    for (const client of results.clientsOf(work).filter(name => name !== 'librabbitmq')) {
      const octets = results.median({ ...work, client }, octetsPerMessage)
      if (octets >= (1 - tolerance) * floor) continue
      throw new Error(`${nameOf({ ...work, client })} writes ${octets} octets for a message of ${floor}`)
    }
  }
}
