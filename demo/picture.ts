// How things stand as rows of text for a terminal. It knows nothing of the terminal but its colours.

import { styleText } from 'node:util'
import type { Connection } from '../src/index.js'
import { type Snapshot, seconds } from './view.js'

/** So that a row fits into 80 columns. */
const GAUGE_COLUMNS = 20
const BEAT_MS = 300

/** The rows above the happenings. */
export function paint(snapshot: Snapshot): string[] {
  const { broker, isFrozen, connection, counts, lives } = snapshot
  const ice = isFrozen ? styleText('cyan', '   * frozen *') : ''
  return [
    `${styleText('bold', 'thump')}  ${broker}${ice}`,
    '',
    ...(connection === undefined ? paintAbsence() : paintConnection(connection, lives)),
    '',
    [
      `published ${counts.published}`,
      styleText('green', `confirmed ${counts.confirmed} of ${counts.messages}`),
      styleText(counts.outstanding > 0 ? 'yellow' : 'dim', `outstanding ${counts.outstanding}`),
      `consumed ${counts.consumed}`,
      styleText(counts.duplicates > 0 ? 'yellow' : 'dim', `twice ${counts.duplicates}`),
    ].join('  '),
    '',
  ]
}

function paintConnection(connection: Connection, lives: number): string[] {
  const { heartbeatsSent, heartbeatsReceived, lastReceivedMs, lastSentMs } = connection.stats
  const intervalMs = connection.heartbeat * 1000
  const deathMs = 2 * intervalMs
  const color = lastReceivedMs > intervalMs ? 'red' : 'green'
  // It beats: bright for a moment after every octet that comes.
  const heart = styleText(lastReceivedMs < BEAT_MS ? [color, 'bold'] : [color, 'dim'], '♥')
  const verdict =
    lastReceivedMs > intervalMs
      ? styleText(['red', 'bold'], `dead in ${seconds(Math.max(0, deathMs - lastReceivedMs))}`)
      : `dead at ${seconds(deathMs)}`
  return [
    `${heart} ${connection.state.padEnd(11)}heartbeat ${connection.heartbeat} s, life ${lives}`,
    `  in   ${gauge(lastReceivedMs / deathMs, color)} ${seconds(lastReceivedMs)} ago  ` +
      `heartbeats received ${String(heartbeatsReceived).padStart(3)}   ${verdict}`,
    `  out  ${gauge(lastSentMs / deathMs, 'blue')} ${seconds(lastSentMs)} ago  ` +
      `heartbeats sent     ${String(heartbeatsSent).padStart(3)}   beats at ${seconds(intervalMs / 2)}`,
  ]
}

/** As many rows as a connection takes, so that nothing below moves. */
function paintAbsence(): string[] {
  return [styleText('red', '- no connection'), '', '']
}

function gauge(share: number, color: 'red' | 'green' | 'blue'): string {
  const filled = Math.round(Math.min(1, share) * GAUGE_COLUMNS)
  return styleText(color, '█'.repeat(filled)) + styleText('dim', '·'.repeat(GAUGE_COLUMNS - filled))
}
