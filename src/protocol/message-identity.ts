// What tells two messages apart whose exchange, routing key and body are alike: the properties, as far as RabbitMQ hands a
// message back as it was. Three things change on the way (measured, 3.10 and 4.0):
//
// - the headers come back in the order of their names (4.x);
// - the header BCC, which names hidden receivers, is gone;
// - the reply-to `amq.rabbitmq.reply-to` has a token behind it, `amq.rabbitmq.reply-to.<token>`.

import { ByteReader, splitTable } from '../frames/index.js'
import { splitProperties } from './properties.js'

/** Equal for a message as it was published and as it was returned. */
export function identityOf(propertyOctets: Buffer): string {
  const identity = splitProperties(propertyOctets).map(([name, octets]) => {
    if (name === 'headers') return headersIn(octets)
    return `${name} ${name === 'replyTo' ? replyToIn(octets) : octets.toString('latin1')}`
  })
  return identity.join('')
}

const BCC = Buffer.from('\u0003BCC')

/** One after another in an order of our own; nothing when there are none left. */
function headersIn(table: Buffer): string {
  const reader = new ByteReader()
  reader.reset(table)
  const fields = splitTable(reader).filter(field => !field.subarray(0, BCC.length).equals(BCC))
  return fields
    .sort(Buffer.compare)
    .map(field => `header ${field.toString('latin1')}`)
    .join('')
}

const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to'

function replyToIn(shortstr: Buffer): string {
  const replyTo = shortstr.toString('latin1', 1)
  return replyTo.startsWith(`${DIRECT_REPLY_TO}.`) ? DIRECT_REPLY_TO : replyTo
}
