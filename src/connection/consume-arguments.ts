// The arguments of basic.consume that RabbitMQ knows and people use, as options.

import { ArgumentError, kindOf } from '../protocol/index.js'
import { type Check, isBoolean, isInteger, isString } from './arguments.js'
import { type Interval, isInterval } from './interval.js'
import type { ArgumentRows } from './typed-arguments.js'

/**
 * Where in a stream a consumer begins: at its start, at its last chunk, at what comes next, at an offset, at a point in time
 * (its milliseconds are dropped), or an interval ago (`1h`).
 */
export type StreamOffset = 'first' | 'last' | 'next' | number | bigint | Date | Interval

/** Options that stand for arguments of RabbitMQ. */
export interface ConsumeArguments {
  /** `x-priority`: consumers of a higher priority get messages first, as long as their prefetch lets them. Default 0. */
  priority?: number | undefined
  /** `x-stream-offset` of a stream. Default `next`. A chunk is sent whole: earlier messages may come first. */
  streamOffset?: StreamOffset | undefined
  /** `x-stream-filter` of a stream: only chunks with these filter values (RabbitMQ 3.13 and later). */
  streamFilter?: string | readonly string[] | undefined
  /** `x-stream-match-unfiltered`: with a filter, also messages that have no filter value. Default false. */
  matchUnfiltered?: boolean | undefined
}

const OFFSET_WORDS: readonly unknown[] = ['first', 'last', 'next']
const OFFSET_MAX = 2n ** 63n - 1n

/** A word that RabbitMQ does not know ends the whole connection (541, RabbitMQ 3.10). */
const isStreamOffset: Check = (value, path) => {
  const fits =
    OFFSET_WORDS.includes(value) ||
    (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) ||
    (typeof value === 'bigint' && value >= 0n && value <= OFFSET_MAX) ||
    (value instanceof Date && value.getTime() >= 0) ||
    isInterval(value)
  if (fits) return
  throw new ArgumentError(
    path,
    `must be first, last, next, an offset from 0, a Date from 1970 or an interval (1h), not ${kindOf(value)}`,
  )
}

const isStreamFilter: Check = (value, path) => {
  if (!Array.isArray(value)) return isString(value, path)
  if (value.length === 0) throw new ArgumentError(path, 'must not be empty')
  for (const [index, one] of value.entries()) isString(one, `${path}[${index}]`)
}

export const CONSUME_ARGUMENTS = {
  priority: { argument: 'x-priority', check: isInteger(-(2 ** 31), 2 ** 31 - 1) },
  streamOffset: { argument: 'x-stream-offset', check: isStreamOffset },
  streamFilter: { argument: 'x-stream-filter', check: isStreamFilter },
  matchUnfiltered: { argument: 'x-stream-match-unfiltered', check: isBoolean },
} satisfies ArgumentRows<ConsumeArguments>
