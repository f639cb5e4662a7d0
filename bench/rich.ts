// A message with ten properties and eight headers, as an application that traces and routes its messages would publish it.
// Each has its own ids, all of one length: nothing can be encoded once, or looked up, for all of them.

import { field, longlong, octet, short, shortstr, table } from './wire.js'

/** All but type, user id and cluster id. */
const FLAGS = 0xffc8

/** Ids are prepared: making strings is nobody's cost. */
const IDS = Array.from({ length: 1000 }, (_, index) => `message-${1000 + index}`)
const TRACES = IDS.map((_, index) => `00-4bf92f3577b34da6a3ce929d0e0e${1000 + index}-00f067aa0ba902b7-01`)
/** Seconds. */
export const RICH_TIMESTAMP = 1_750_000_000

const CONTENT_TYPE = 'application/octet-stream'
const CONTENT_ENCODING = 'identity'
const REPLY_QUEUE = 'bench.replies'
const EXPIRATION = '60000'
const APP_ID = 'bench'
const PRIORITY = 5
const PERSISTENT = 2
const TENANT = 'tenant-4711'

/** In a table of its own, which is what clients take from their users. */
function headersOf(index: number): Record<string, string | number | boolean> {
  return {
    'x-tenant': TENANT,
    'x-trace': TRACES[index] as string,
    'x-source': 'checkout',
    'x-locale': 'en-GB',
    'x-attempt': 70_000 + index,
    'x-shard': 1_000_000,
    'x-weight': 12.5,
    'x-sampled': true,
  }
}

/** Fresh objects for the message of that number, as a program makes them. The time is what the client takes for one. */
export function richProperties<Time>(number: number, timestamp: Time) {
  const index = number % IDS.length
  return {
    contentType: CONTENT_TYPE,
    contentEncoding: CONTENT_ENCODING,
    headers: headersOf(index),
    deliveryMode: PERSISTENT,
    priority: PRIORITY,
    correlationId: IDS[index] as string,
    replyTo: REPLY_QUEUE,
    expiration: EXPIRATION,
    messageId: IDS[index] as string,
    timestamp,
    appId: APP_ID,
  }
}

export const RICH_DATE: Date = new Date(1000 * RICH_TIMESTAMP)

/** Throws unless the headers, which it reads, and the ids are those of a rich message. */
export function checkRich(headers: unknown, messageId: unknown): void {
  const { 'x-tenant': tenant, 'x-attempt': attempt } = headers as Record<string, unknown>
  if (tenant !== TENANT || messageId !== IDS[Number(attempt) - 70_000]) {
    throw new Error(`message ${messageId} has the headers ${JSON.stringify(headers)}`)
  }
}

/** The same on the wire, behind the size of the body: flags and property list. */
export function richPropertyOctets(number: number): Buffer {
  const index = number % IDS.length
  const id = shortstr(IDS[index] as string)
  const fields = Object.entries(headersOf(index)).map(([name, value]) => field(name, value))
  return Buffer.concat([
    short(FLAGS),
    shortstr(CONTENT_TYPE),
    shortstr(CONTENT_ENCODING),
    table(...fields),
    octet(PERSISTENT),
    octet(PRIORITY),
    id,
    shortstr(REPLY_QUEUE),
    shortstr(EXPIRATION),
    id,
    longlong(RICH_TIMESTAMP),
    shortstr(APP_ID),
  ])
}
