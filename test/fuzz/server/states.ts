// Where a client can be hit: what it is doing, or waiting for, at the moment.

import type { ModelServer } from './model-server.js'

export const STATES = [
  'header',
  'start',
  'secure',
  'tune',
  'open',
  'idle',
  'channel opening',
  'call',
  'get',
  'transaction',
  'secret',
  'publishes',
  'consumers',
  'content',
  'flow',
  'blocked',
  'unread',
  'channel closing',
  'draining',
  'closing',
] as const

/**
 * The first five are what the server has to answer in the handshake; `content`: half of one was sent; `unread`: what the client
 * sends is not read for a while; `draining`: the application closes, and the connection's Close is still held up.
 */
export type State = (typeof STATES)[number]

/** All that hold at the moment; `isClosing`: the application closes. */
export function statesOf(server: ModelServer, isClosing: boolean): readonly State[] {
  const { phase } = server
  if (phase === 'closed') return []
  if (phase !== 'opened') return [phase]
  const states = new Set<State>(server.awaited)
  const channels = [...server.channels.values()]
  if (channels.some(channel => channel.unconfirmed.size > 0)) states.add('publishes')
  if (channels.some(channel => channel.consumers.size > 0)) states.add('consumers')
  if (server.isMidContent) states.add('content')
  if (server.stopped) states.add('flow')
  if (server.blocked) states.add('blocked')
  if (server.rests) states.add('unread')
  if (isClosing) states.add('draining')
  return states.size === 0 ? ['idle'] : [...states]
}
