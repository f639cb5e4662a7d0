// What the connection layer may import, and what the public door re-exports.

export {
  ArgumentError,
  DecimalField,
  type FieldArray,
  type FieldTable,
  type FieldValue,
  field,
  kindOf,
  OctetKeeper,
  TypedField,
} from '../frames/index.js'
export type { Causes, ConsumeCommand } from './channel-commands.js'
export type { ChannelLimits } from './channel-link.js'
export type { ChannelProtocol } from './channel-protocol.js'
export { type CloseInitiator, type CloseReason, describeReason } from './close-reason.js'
export { ConnectionProtocol, type ProtocolOptions } from './connection-protocol.js'
export type { Content } from './content.js'
export { DeadlineOrder } from './deadline-order.js'
export type { DeclareMismatch } from './declare-mismatch.js'
export type { DeliveryState } from './delivery-ledger.js'
export { checkShortstr, checkTable } from './encodable.js'
export {
  AmqpError,
  AuthenticationError,
  BackpressureError,
  CallTimeoutError,
  ChannelClosedError,
  ChannelLimitError,
  CloseTimeoutError,
  ConnectError,
  ConnectionClosedError,
  type ConnectPhase,
  ConsumerClosedError,
  type Endpoint,
  type ErrorDetails,
  HeartbeatError,
  NackedError,
  ProtocolError,
  PublishesFailedError,
  type PublishOutcome,
  RequestTimeoutError,
  ReturnedError,
  RpcError,
  SecretRefreshError,
  TransportError,
  UnconfirmedError,
} from './errors.js'
export type { ChannelLife, IncomingDelivery, ProtocolEvent, Settlement } from './events.js'
export type { Publishing } from './frame-writers.js'
export { failsEverywhere, type HandshakeOptions } from './handshake.js'
export type { CallName, Method, MethodArgs, MethodOf } from './method-types.js'
export {
  DEFAULT_PROPERTIES,
  isPropertyName,
  type MessageProperties,
  type PublishProperties,
} from './properties.js'
export type { ReturnedMessage } from './returned-message.js'
export { AUTH_NAMES, type AuthMechanism, type AuthName, mechanismNamed } from './sasl.js'
export type { TrafficCounts } from './traffic-counts.js'
export type { TuneParameters, TuneWishes } from './tune.js'
