// A message as librabbitmq sends and receives it, and its words in the lines of the program peer.c.

import type { MessageProperties } from '../../../src/index.js'
import {
  octetsWord,
  tableWords,
  takeOctets,
  takeTable,
  takeWord,
  type WireEntries,
  type WireTable,
  type Words,
} from './wire-field.js'

/** The fourteen properties by thump's names; the types of headers are seen. */
export interface WireProperties extends Omit<MessageProperties, 'headers'> {
  readonly headers?: WireTable | WireEntries | undefined
}

export interface WireMessage {
  readonly body: Buffer
  readonly properties: WireProperties
}

export function messageWords({ body, properties }: WireMessage): string[] {
  const words = [octetsWord(body)]
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'headers') words.push(name, ...tableWords(value))
    else words.push(name, typeof value === 'string' ? octetsWord(value) : String(value))
  }
  return words
}

/** Undefined when there are no words. */
export function takeMessage(line: readonly string[]): WireMessage | undefined {
  if (line.length === 0) return undefined
  const words: Words = line.values()
  const body = takeOctets(words)
  const properties: Record<string, unknown> = {}
  for (let next = words.next(); next.done !== true; next = words.next()) {
    properties[next.value] = takeProperty(next.value, words)
  }
  return { body, properties }
}

function takeProperty(name: string, words: Words): unknown {
  switch (name) {
    case 'headers':
      return takeTable(words)
    case 'deliveryMode':
    case 'priority':
      return Number(takeWord(words))
    case 'timestamp':
      return numberOrBigint(BigInt(takeWord(words)))
    default:
      return takeOctets(words).toString()
  }
}

function numberOrBigint(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}
