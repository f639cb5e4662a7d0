// The arguments of queue.declare that RabbitMQ knows and people use, as options. Ranges are what RabbitMQ checks
// (rabbit_amqqueue, the same from 3.10 to 4.x): what is outside would cost the channel (406).

import { ArgumentError } from '../protocol/index.js'
import { type Check, isBoolean, isInteger, isOneOf, isShortstr } from './arguments.js'
import { type Interval, isInterval } from './interval.js'
import type { ArgumentRows } from './typed-arguments.js'

/** RabbitMQ's queue types. */
export type QueueType = 'classic' | 'quorum' | 'stream'

/** Options that stand for arguments of RabbitMQ. Not every type of queue knows each: the server refuses (406) others. */
export interface QueueArguments {
  /** `x-queue-type`. Default: the virtual host's, which is `classic` unless somebody has changed it. */
  type?: QueueType | undefined
  /** `x-message-ttl`: milliseconds after which a message expires. Default: never. */
  messageTtl?: number | undefined
  /** `x-expires`: milliseconds without use after which the queue is deleted. Default: never. */
  expires?: number | undefined
  /** `x-max-length`: messages it holds, then {@link overflow}. Default: no limit. */
  maxLength?: number | undefined
  /** `x-max-length-bytes`: octets of bodies it holds, then {@link overflow}. Default: no limit. */
  maxLengthBytes?: number | undefined
  /** `x-overflow`: what a full queue does. Default `drop-head`: the oldest message goes. The others nack publishes. */
  overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx' | undefined
  /** `x-dead-letter-exchange`: where rejected, expired and dropped messages go; empty is the default exchange. Default: nowhere. */
  deadLetterExchange?: string | undefined
  /** `x-dead-letter-routing-key`, with {@link deadLetterExchange}. Default: the message's own. */
  deadLetterRoutingKey?: string | undefined
  /** `x-dead-letter-strategy` of a quorum queue. Default `at-most-once`; the other wants `overflow: 'reject-publish'`. */
  deadLetterStrategy?: 'at-most-once' | 'at-least-once' | undefined
  /** `x-max-priority` of a classic queue, 1 to 255: RabbitMQ recommends not more than 5. Default: no priorities. */
  maxPriority?: number | undefined
  /** `x-single-active-consumer`: one consumer at a time gets messages, the others stand by. Default false. */
  singleActiveConsumer?: boolean | undefined
  /**
   * `x-delivery-limit` of a quorum queue: how often a message may come back before it is dropped or dead-lettered; -1 is no
   * limit (RabbitMQ 4.0 and later). Default 20 since RabbitMQ 4.0, no limit before.
   */
  deliveryLimit?: number | undefined
  /** `x-max-age` of a stream: `7D`; years `Y`, months `M`, days `D`, hours `h`, minutes `m`, seconds `s`. Default: no limit. */
  maxAge?: Interval | undefined
  /** `x-stream-max-segment-size-bytes` of a stream: octets of a segment file. Default 500 000 000. */
  maxSegmentSizeBytes?: number | undefined
  /** Replicas at first: `x-quorum-initial-group-size` of a quorum queue, `x-initial-cluster-size` of a stream; needs {@link type}. */
  initialGroupSize?: number | undefined
  /** `x-queue-leader-locator` of a quorum queue or stream. Default `client-local`: the node of this connection. */
  leaderLocator?: 'client-local' | 'balanced' | undefined
  /** `x-consumer-timeout`: milliseconds a delivery may be unsettled. Default: the broker's, 30 minutes. RabbitMQ 3.12 and later. */
  consumerTimeout?: number | undefined
}

/** Erlang's timers, which expire messages and queues, go no further. */
const TIMER_MAX = 2 ** 32 - 1
const isCount = isInteger(0, Number.MAX_SAFE_INTEGER)
const isPositive = isInteger(1, Number.MAX_SAFE_INTEGER)

const isMaxAge: Check = (value, path) => {
  if (!isInterval(value)) {
    throw new ArgumentError(path, 'must be a whole number and a unit, Y, M, D, h, m or s: 7D')
  }
}

export const QUEUE_ARGUMENTS = {
  type: { argument: 'x-queue-type', check: isOneOf('classic', 'quorum', 'stream') },
  messageTtl: { argument: 'x-message-ttl', check: isInteger(0, TIMER_MAX) },
  expires: { argument: 'x-expires', check: isInteger(1, TIMER_MAX) },
  maxLength: { argument: 'x-max-length', check: isCount },
  maxLengthBytes: { argument: 'x-max-length-bytes', check: isCount },
  overflow: { argument: 'x-overflow', check: isOneOf('drop-head', 'reject-publish', 'reject-publish-dlx') },
  deadLetterExchange: { argument: 'x-dead-letter-exchange', check: isShortstr },
  deadLetterRoutingKey: { argument: 'x-dead-letter-routing-key', check: isShortstr },
  deadLetterStrategy: { argument: 'x-dead-letter-strategy', check: isOneOf('at-most-once', 'at-least-once') },
  maxPriority: { argument: 'x-max-priority', check: isInteger(1, 255) },
  singleActiveConsumer: { argument: 'x-single-active-consumer', check: isBoolean },
  deliveryLimit: { argument: 'x-delivery-limit', check: isInteger(-1, Number.MAX_SAFE_INTEGER) },
  maxAge: { argument: 'x-max-age', check: isMaxAge },
  maxSegmentSizeBytes: { argument: 'x-stream-max-segment-size-bytes', check: isPositive },
  initialGroupSize: {
    argument: { quorum: 'x-quorum-initial-group-size', stream: 'x-initial-cluster-size' },
    check: isPositive,
  },
  leaderLocator: { argument: 'x-queue-leader-locator', check: isOneOf('client-local', 'balanced') },
  consumerTimeout: { argument: 'x-consumer-timeout', check: isInteger(1, TIMER_MAX) },
} satisfies ArgumentRows<QueueArguments>
