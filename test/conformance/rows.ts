// The wire in rows: what AMQP 0-9-1, as RabbitMQ speaks it, looks like in octets, and what must come of them. The list is
// the whole of it; `row` makes a test of one, and rows.test.ts sees to it that none is missing. The octets stand in the
// tests, by hand: from the specification (section 4.2: frames, field tables; 4.2.6: content) and from what a broker was
// seen to send and to take, never from the codec under test.
//
// Two ways to give them to the client: `sessions` makes whole connections in memory, for what users see; ProtocolPair
// is for states and times.

import { OctetSession, type OctetSessionOptions } from './octet-session.js'

/** What each row is about. */
export const ROWS = Object.freeze({
  1: 'the protocol header',
  2: 'a protocol header for an answer',
  3: 'Tune and Tune-Ok',
  4: 'Start-Ok',
  5: 'Open and Open-Ok',
  6: 'a challenge',
  7: 'limits that brokers hang up on',
  8: 'a heartbeat in pieces',
  9: 'heartbeats in one chunk',
  10: 'a heartbeat on a channel',
  11: 'a heartbeat with a payload',
  12: 'an unknown type of frame',
  13: 'a wrong frame-end',
  14: 'a frame beyond frame-max',
  15: 'a body in several frames',
  16: 'a publish without a body',
  17: 'a delivery',
  18: 'a delivery with other frames between its parts',
  19: 'a delivery without a body',
  20: 'a method inside a content',
  21: 'more body than announced',
  22: 'a body in small frames',
  23: 'a content header without a method',
  24: 'the fourteen properties',
  25: 'the types of fields, received',
  26: 'the types of fields, chosen',
  27: 'tables that cannot be decoded',
  28: 'a cancel by the server',
  29: 'a return before its confirm',
  30: 'a confirm of several',
  31: 'a nack',
  32: 'a channel closed by the server',
  33: 'two closes of a channel that cross',
  34: 'a delivery while a channel closes',
  35: 'a connection closed by the server',
  36: 'two closes of a connection that cross',
  37: 'what comes while a connection closes',
  38: 'blocked and unblocked',
  39: 'exchange.unbind-ok',
  40: 'an empty queue',
  41: 'a delivery tag beyond 2^53',
  42: 'the order of bits',
  43: 'short strings at their limit',
  44: 'a method on a channel that was never opened',
  45: 'a class that does not exist',
  46: 'the heartbeat interval',
  47: 'no heartbeat',
  48: 'a stalled event loop',
  49: 'the limit of channels',
  50: 'an acknowledgement of an earlier life',
  51: 'replies that overtake each other',
  52: 'a class on channel 0 that does not exist',
  53: 'AMQPLAIN',
  54: 'publishes to an exchange that does not exist',
})

export type RowNumber = keyof typeof ROWS

/** Those that have a test. */
const tested = new Set<RowNumber>()

/** Connections of one test, ended behind it. */
export interface Sessions {
  open(options?: OctetSessionOptions): Promise<OctetSession>
  /** One whose handshake is the test's affair. */
  begin(options?: OctetSessionOptions): OctetSession
}

/** A test of a row; the title is a sentence that goes on after what the row is about. */
export function row(number: RowNumber, title: string, test: (sessions: Sessions) => unknown): void {
  tested.add(number)
  it(`${number}, ${ROWS[number]}: ${title}`, async () => {
    const opened: OctetSession[] = []
    const begin = (options?: OctetSessionOptions): OctetSession => {
      const session = new OctetSession(options)
      opened.push(session)
      return session
    }
    const open = async (options?: OctetSessionOptions): Promise<OctetSession> => {
      const session = begin(options)
      await session.open()
      return session
    }
    try {
      await test({ begin, open })
    } finally {
      for (const session of opened) await session.end()
    }
  })
}

/** Rows that no test file has, as far as they are loaded. */
export function missingRows(): string[] {
  return Object.keys(ROWS).filter(number => !tested.has(Number(number) as RowNumber))
}
