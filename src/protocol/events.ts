// What comes out of the protocol layer. Events say what has happened; whoever asked is named by the token that came
// with the command. Nothing comes after `closed`.

import type { CloseReason } from './close-reason.js'
import type { Content } from './content.js'
import type { DeliveryState } from './delivery-ledger.js'
import type { Method } from './method-types.js'
import type { ReturnedMessage } from './returned-message.js'

/** What settles a delivery (spec 1.8.3.12-14, RabbitMQ's basic.nack). */
export type Settlement =
  | { readonly kind: 'ack'; readonly multiple: boolean }
  | { readonly kind: 'nack'; readonly multiple: boolean; readonly requeue: boolean }
  | { readonly kind: 'reject'; readonly requeue: boolean }

/** The life of a channel a delivery belongs to: it can be settled there and nowhere else. */
export interface ChannelLife {
  /** True when the settlement was accepted for sending; otherwise nothing is sent and {@link stateOf} says why. */
  settle(deliveryTag: number, settlement: Settlement): boolean
  /** Nobody wants the delivery any more: somebody else may have it, if it can be given back. */
  giveBack(delivery: IncomingDelivery): void
  stateOf(deliveryTag: number): DeliveryState
}

/** A message that came by basic.deliver or basic.get-ok. */
export interface IncomingDelivery {
  readonly life: ChannelLife
  /** Empty for basic.get. */
  readonly consumerTag: string
  readonly deliveryTag: number
  readonly redelivered: boolean
  readonly exchange: string
  readonly routingKey: string
  readonly noAck: boolean
  readonly content: Content
  /** Messages left in the queue; only basic.get tells. */
  readonly messageCount?: number | undefined
}

export type ProtocolEvent =
  /** The handshake is complete. Not emitted when it fails: then `closed` is the only event. */
  | { readonly type: 'opened' }
  /** A call was answered. Without a reply: one that wants none has left, or a publish of a plain channel may now leave. */
  | { readonly type: 'replied'; readonly token: object; readonly reply: Method | undefined }
  /** basic.get was answered. */
  | { readonly type: 'got'; readonly token: object; readonly delivery: IncomingDelivery | undefined }
  /** A call or a publish will not succeed, or whoever asked has withdrawn it. */
  | { readonly type: 'failed'; readonly token: object; readonly error: Error }
  /** Publishes were confirmed. Not emitted for those that were refused or returned: they have `failed`. */
  | { readonly type: 'confirmed'; readonly tokens: readonly object[] }
  /** All publishes of a plain channel that had to wait are accepted for sending. */
  | { readonly type: 'drained'; readonly channel: object }
  | { readonly type: 'delivered'; readonly consumer: object; readonly delivery: IncomingDelivery }
  /** A message came back that belongs to no outstanding publish. */
  | { readonly type: 'returned'; readonly channel: object; readonly message: ReturnedMessage }
  /** basic.recover was answered: the broker has everything back that was delivered on the channel and not settled. */
  | { readonly type: 'takenBack'; readonly channel: object }
  | { readonly type: 'consumerEnded'; readonly consumer: object; readonly reason: CloseReason }
  | { readonly type: 'channelClosed'; readonly channel: object; readonly reason: CloseReason }
  /** The broker stops taking publishes from this connection (RabbitMQ). Emitted again when the reason changes. */
  | { readonly type: 'blocked'; readonly reason: string }
  | { readonly type: 'unblocked' }
  /** The event loop was late by more than half a heartbeat interval. Comes before any verdict on the peer. */
  | { readonly type: 'stalled'; readonly lagMs: number }
  /** The end of the connection; always the last event. */
  | { readonly type: 'closed'; readonly reason: CloseReason }
