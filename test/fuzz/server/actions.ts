// What an application does, how often, and how it gets where it is to be hit.

import type { State } from './states.js'

/** How often what is begun, in comparison. */
export const WEIGHTS = {
  openChannel: 8,
  declare: 10,
  exchange: 3,
  bind: 3,
  publish: 30,
  burst: 3,
  large: 1,
  waitForConfirms: 3,
  consume: 10,
  get: 6,
  settle: 14,
  prefetch: 3,
  recover: 1,
  transaction: 4,
  cancel: 2,
  purge: 1,
  deleteQueue: 1,
  closeChannel: 2,
  check: 2,
  secret: 1,
  beat: 1,
  look: 2,
  rpc: 3,
  serve: 2,
  close: 0.3,
  drain: 0.3,
}

export type Action = keyof typeof WEIGHTS

/** What brings about the state that is aimed at, and how often it is begun. */
export const WAYS: Readonly<Partial<Record<State, Readonly<Partial<Record<Action, number>>>>>> = {
  'channel opening': { openChannel: 40, closeChannel: 10 },
  call: { declare: 40, bind: 20 },
  get: { get: 40 },
  transaction: { transaction: 40 },
  secret: { secret: 40 },
  publishes: { publish: 60 },
  consumers: { consume: 40 },
  content: { consume: 40 },
  'channel closing': { closeChannel: 20 },
  unread: { publish: 40, burst: 20, large: 10 },
  draining: { publish: 60, burst: 20, drain: 4, close: 4 },
  closing: { close: 10 },
}
