// How large a frame may be before Tune has settled it, which is to say Start-Ok and Secure-Ok. A server that thinks one too
// large says nothing about it: RabbitMQ sleeps for three seconds and hangs up, as it does for a wrong password from an old
// client. The specification's number is 4096 (frame-min-size, 1.2); RabbitMQ has raised its own to 8192 in 4.1, and lets its
// operator raise it further (`initial_frame_max`), for tokens. Of other servers nothing is known, and they are not refused
// what the largest of these takes.

import { type FieldTable, FRAME_MIN_SIZE, INITIAL_FRAME_MAX } from '../frames/index.js'

/** From this version on it takes more. Read as a number, 4.10 is the same, and no version before it is as large. */
const RAISED_IN = 4.1

/** Octets of the largest frame that a server takes before Tune, by what it says of itself in Connection.Start. */
export function initialFrameMaxOf({ product, version }: FieldTable): number {
  const isOld = product === 'RabbitMQ' && Number.parseFloat(String(version)) < RAISED_IN
  return isOld ? FRAME_MIN_SIZE : INITIAL_FRAME_MAX
}
