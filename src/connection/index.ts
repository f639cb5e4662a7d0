// What the public door re-exports.

export { Channel, type ChannelEvents, type ChannelState } from './channel.js'
export type {
  Body,
  ConsumeOptions,
  DeliveryHandler,
  ExchangeDeclareOptions,
  FailureAction,
  GetOptions,
  PublishOptions,
  QueueDeclared,
  QueueDeclareOptions,
  QueueDeleteOptions,
} from './channel-options.js'
export type { Clock, Timer } from './clock.js'
export { connect } from './connect.js'
export { type ChannelOptions, Connection, type ConnectionEvents, type ConnectionState } from './connection.js'
export { Consumer } from './consumer.js'
export { Delivery } from './delivery.js'
export type { ConnectOptions, SocketOptions } from './options.js'
export type { ConnectionStats } from './stats.js'
