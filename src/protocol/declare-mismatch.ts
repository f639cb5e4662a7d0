// What RabbitMQ says when something is declared again with other properties (406), taken apart. The text is its own, the
// same from 3.10 to 4.x:
//
//   inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'
//   inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received the value '5' of type 'signedint' but current is none

/** Which property of a queue or an exchange is not as declared. Values are RabbitMQ's words; undefined where it has none. */
export interface DeclareMismatch {
  /** For instance `durable`, `type` or `x-queue-type`. */
  readonly argument: string
  /** What was asked for. */
  readonly received: string | undefined
  /** What the queue or exchange has. */
  readonly current: string | undefined
}

/** Of which one group matches, or none. */
const VALUE = "(?:none|the value '(.*)' of type '[^']*'|'(.*)')"
const MISMATCH = new RegExp(
  `inequivalent arg '([^']+)' for .*: received ${VALUE} but current is ${VALUE}$`,
  's',
)

/** Undefined when the text says something else, or is cut off: RabbitMQ cuts at 255 octets. */
export function declareMismatchIn(replyText: string | undefined): DeclareMismatch | undefined {
  const match = replyText?.match(MISMATCH) ?? []
  const [, argument, typedReceived, received, typedCurrent, current] = match
  if (argument === undefined) return undefined
  return { argument, received: typedReceived ?? received, current: typedCurrent ?? current }
}
