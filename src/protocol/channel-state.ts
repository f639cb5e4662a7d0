// The life of one channel (spec 2.2.5), as data, in the manner of connection-state.ts.
//
//   opening ──openOk──▶ open ──closeRequested──▶ draining ──drained──▶ closing ──closeOk──▶ closed
//                         └──────────(a close by the server)─────────────────────────────────▲
//
// draining  the application closes; what it published before goes out and its confirms come in
// closing   our Close is sent; everything but Close and Close-Ok is discarded (spec 1.5.2.5); a Close that crosses
//           ours is answered, and ours still is: RabbitMQ answers a Close even while it closes

import type { MethodName } from './methods.js'

export type ChannelState = 'opening' | 'open' | 'draining' | 'closing' | 'closed'

export type ChannelTrigger =
  // methods received on the channel
  | 'openOk'
  | 'close'
  | 'closeOk'
  | 'other'
  // what happens otherwise
  | 'closeRequested'
  | 'drained'
  | 'gaveUp'
  | 'lost'

interface ChannelRow {
  readonly on: Readonly<Partial<Record<ChannelTrigger, ChannelState>>>
  readonly otherwise: 'violation' | 'discard'
}

export const CHANNEL_TRANSITIONS: Readonly<Record<ChannelState, ChannelRow>> = Object.freeze({
  opening: {
    on: { openOk: 'open', close: 'closed', closeRequested: 'closing', gaveUp: 'closing', lost: 'closed' },
    otherwise: 'violation',
  },
  open: {
    on: { other: 'open', close: 'closed', closeRequested: 'draining', gaveUp: 'closing', lost: 'closed' },
    otherwise: 'violation',
  },
  draining: {
    on: {
      other: 'draining',
      close: 'closed',
      closeRequested: 'draining',
      drained: 'closing',
      gaveUp: 'closing',
      lost: 'closed',
    },
    otherwise: 'violation',
  },
  closing: {
    on: { close: 'closing', closeOk: 'closed', closeRequested: 'closing', gaveUp: 'closing', lost: 'closed' },
    otherwise: 'discard',
  },
  closed: { on: {}, otherwise: 'discard' },
})

for (const row of Object.values(CHANNEL_TRANSITIONS)) Object.freeze(Object.freeze(row).on)

const TRIGGERS: Readonly<Partial<Record<MethodName, ChannelTrigger>>> = Object.freeze({
  'channel.open-ok': 'openOk',
  'channel.close': 'close',
  'channel.close-ok': 'closeOk',
})

/** What a method triggers that is received on a channel. */
export function triggerOf(method: MethodName): ChannelTrigger {
  return TRIGGERS[method] ?? 'other'
}

/** The state a trigger leads to, or what the trigger is when it leads to none. */
export function nextChannelState(
  state: ChannelState,
  trigger: ChannelTrigger,
): ChannelState | 'violation' | 'discard' {
  const row = CHANNEL_TRANSITIONS[state]
  return row.on[trigger] ?? row.otherwise
}
