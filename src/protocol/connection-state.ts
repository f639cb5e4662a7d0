// The life of one connection (spec 2.2.4 and 4.2.2), as data. Everything that moves a connection from one state to
// another is in this table; what is done on the way is ConnectionProtocol's business.
//
//   awaitingStart ──start──▶ awaitingTune ──tune──▶ awaitingOpenOk ──openOk──▶ open
//                              │   ▲                                            │ closeRequested
//                              secure                                           ▼
//                                                           closing ◀──drained── draining
//                                                              │ closeOk
//                                                              ▼
//   (a close by the peer, or our own for a violation) ──▶ ending ──flushed──▶ closed
//
// draining  the application closes; what it published before goes out and its confirms come in
// closing   our Close is sent; everything but Close and Close-Ok is discarded (spec 1.4.2.7)
// ending    the last octets are on their way into the socket; nothing is read any more
// closed    absorbing
//
// During the handshake RabbitMQ does not answer a Close but sleeps for three seconds, so a violation there ends the
// connection at once.

export type ConnectionState =
  | 'awaitingStart'
  | 'awaitingTune'
  | 'awaitingOpenOk'
  | 'open'
  | 'draining'
  | 'closing'
  | 'ending'
  | 'closed'

export type ConnectionTrigger =
  // methods received on channel 0
  | 'start'
  | 'secure'
  | 'tune'
  | 'openOk'
  | 'close'
  | 'closeOk'
  | 'blocked'
  | 'unblocked'
  | 'updateSecretOk'
  // what happens otherwise
  | 'closeRequested'
  | 'drained'
  | 'flushed'
  | 'violated'
  | 'lost'

interface ConnectionRow {
  readonly on: Readonly<Partial<Record<ConnectionTrigger, ConnectionState>>>
  /** What a trigger that is not in the row is. */
  readonly otherwise: 'violation' | 'discard'
}

export const CONNECTION_TRANSITIONS: Readonly<Record<ConnectionState, ConnectionRow>> = Object.freeze({
  awaitingStart: {
    on: {
      start: 'awaitingTune',
      close: 'ending',
      closeRequested: 'closed',
      violated: 'closed',
      lost: 'closed',
    },
    otherwise: 'violation',
  },
  awaitingTune: {
    on: {
      secure: 'awaitingTune',
      tune: 'awaitingOpenOk',
      close: 'ending',
      closeRequested: 'closed',
      violated: 'closed',
      lost: 'closed',
    },
    otherwise: 'violation',
  },
  awaitingOpenOk: {
    on: { openOk: 'open', close: 'ending', closeRequested: 'closed', violated: 'closed', lost: 'closed' },
    otherwise: 'violation',
  },
  open: {
    on: {
      blocked: 'open',
      unblocked: 'open',
      updateSecretOk: 'open',
      close: 'ending',
      closeRequested: 'draining',
      violated: 'ending',
      lost: 'closed',
    },
    otherwise: 'violation',
  },
  draining: {
    on: {
      blocked: 'draining',
      unblocked: 'draining',
      updateSecretOk: 'draining',
      close: 'ending',
      closeRequested: 'draining',
      drained: 'closing',
      violated: 'ending',
      lost: 'closed',
    },
    otherwise: 'violation',
  },
  closing: {
    on: { close: 'ending', closeOk: 'closed', violated: 'closed', lost: 'closed' },
    otherwise: 'discard',
  },
  ending: { on: { flushed: 'closed', lost: 'closed' }, otherwise: 'discard' },
  closed: { on: {}, otherwise: 'discard' },
})

for (const row of Object.values(CONNECTION_TRANSITIONS)) Object.freeze(Object.freeze(row).on)

/** The state a trigger leads to, or what the trigger is when it leads to none. */
export function nextConnectionState(
  state: ConnectionState,
  trigger: ConnectionTrigger,
): ConnectionState | 'violation' | 'discard' {
  const row = CONNECTION_TRANSITIONS[state]
  return row.on[trigger] ?? row.otherwise
}
