// Messages that can be recognized: from its number follows all that a message is, and a digest says whether it still is that.

import { createHash } from 'node:crypto'
import type { Delivery, PublishOptions, ReturnedMessage } from '../../../src/index.js'

export interface NumberedMessage {
  readonly routingKey: string
  readonly body: Buffer
  readonly options: PublishOptions
}

/** What came of a message, whichever way. */
export interface Seen {
  readonly exchange: string
  readonly routingKey: string
  /** As JSON. */
  readonly properties: string
  readonly body: Buffer
}

/** Of several frames, now and then. */
const LONG_BODY = 9_000

export function numberedMessage(number: number, routingKey: string): NumberedMessage {
  const length = number % 16 === 15 ? LONG_BODY : (number * 37) % 400
  const text = `${number}:`.repeat(Math.ceil(length / 2)).slice(0, length)
  const body = Buffer.from(text, 'latin1')
  const headers = { number, list: [1, 'two', { three: 3 }], text: 'x'.repeat(number % 30) }
  const options = { contentType: 'text/plain', headers, deliveryMode: 2, correlationId: digestOf(body) }
  return {
    routingKey,
    body,
    options: { ...options, messageId: String(number), timestamp: 1_700_000_000 + number },
  }
}

export function seen(message: Delivery | ReturnedMessage): Seen {
  const { exchange, routingKey, properties, body } = message
  return { exchange, routingKey, properties: inOrder(properties), body: Buffer.from(body) }
}

/** The number of a message; undefined when it does not say which it is. */
export function numberOf({ properties }: Seen): number | undefined {
  const { messageId } = JSON.parse(properties) as { messageId?: string }
  const number = Number(messageId)
  return Number.isSafeInteger(number) && String(number) === messageId ? number : undefined
}

/** What of it is not what was published. */
export function differences(seen: Seen, { routingKey, body, options }: NumberedMessage): string[] {
  const found: string[] = []
  if (seen.exchange !== '') found.push('exchange')
  if (seen.routingKey !== routingKey) found.push('routing key')
  if (seen.properties !== inOrder(options)) found.push('properties')
  if (!seen.body.equals(body)) found.push('body')
  const { correlationId } = JSON.parse(seen.properties) as { correlationId?: string }
  if (correlationId !== digestOf(seen.body)) found.push('digest')
  return found
}

/** In how many octets two bodies of one length differ. */
export function octetsApart(one: Buffer, other: Buffer): number {
  if (one.length !== other.length) return Number.POSITIVE_INFINITY
  return one.reduce((sum, octet, at) => sum + (octet === other[at] ? 0 : 1), 0)
}

/** As JSON, whatever it holds, with keys in order: RabbitMQ 4 sorts those of a table. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return `${each}n`
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function digestOf(body: Buffer): string {
  return createHash('sha1').update(body).digest('hex').slice(0, 16)
}
