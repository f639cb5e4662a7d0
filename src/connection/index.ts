// What the public door re-exports.

export type { AnsweredOptions, CallOptions, NoWaitOptions, Unanswered } from './call-options.js'
export { Channel, type ChannelState } from './channel.js'
export type { ChannelEvents } from './channel-events.js'
export type {
  Body,
  ConsumeOptions,
  DeliveryHandler,
  FailureAction,
  GetOptions,
  PrefetchOptions,
  PublishOptions,
} from './channel-options.js'
export type { Clock, Timer } from './clock.js'
export type { CancelOptions, ChannelCloseOptions, CloseOptions } from './close-options.js'
export { connect } from './connect.js'
export { type ChannelOptions, Connection, type ConnectionEvents, type ConnectionState } from './connection.js'
export type { ConsumeArguments, StreamOffset } from './consume-arguments.js'
export { Consumer } from './consumer.js'
export type { Credentials, CredentialsFunction, CredentialsRequest } from './credentials.js'
export { type AckOptions, Delivery, type NackOptions, type RejectOptions } from './delivery.js'
export type { ExchangeArguments, ExchangeDeclareOptions, ExchangeDeleteOptions } from './exchange-methods.js'
export type { FailureOutcome } from './handler-failures.js'
export type { Interval } from './interval.js'
export type { Auth } from './login.js'
export type { ConnectOptions, SocketOptions } from './options.js'
export type { QueueArguments, QueueType } from './queue-arguments.js'
export type { QueueDeclared, QueueDeclareOptions, QueueDeleteOptions } from './queue-methods.js'
export { openRpcClient, RpcClient, type RpcClientOptions, type RpcRequestOptions } from './rpc-client.js'
export type { RpcReply } from './rpc-reply.js'
export { type RpcHandler, type RpcResult, type RpcServerOptions, serveRpc } from './rpc-server.js'
export type { ConnectionStats } from './stats.js'
export type { TlsOption, TlsOptions } from './tls-options.js'
