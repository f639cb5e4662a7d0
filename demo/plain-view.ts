// The view where there is no terminal: one line for each happening, and one each second for how things stand.

import { type Snapshot, seconds, type Tone, type View } from './view.js'

const LOOK_EVERY_MS = 1000

const MARKS: Readonly<Record<Tone, string>> = { step: '==', good: '++', bad: '!!', plain: '  ' }

export class PlainView implements View {
  readonly #startedAt = performance.now()
  #timer: NodeJS.Timeout | undefined

  tell(text: string, tone: Tone = 'plain'): void {
    const elapsed = seconds(performance.now() - this.#startedAt)
    process.stdout.write(`${elapsed.padStart(7)} ${MARKS[tone]} ${text}\n`)
  }

  begin(look: () => Snapshot): void {
    this.#timer = setInterval(() => this.tell(describe(look())), LOOK_EVERY_MS)
  }

  end(): void {
    clearInterval(this.#timer)
  }
}

function describe({ connection, counts }: Snapshot): string {
  const { published, confirmed, outstanding, consumed } = counts
  const traffic = `published ${published}, confirmed ${confirmed}, outstanding ${outstanding}, consumed ${consumed}`
  if (connection === undefined) return `no connection; ${traffic}`
  const { heartbeatsSent, heartbeatsReceived, lastReceivedMs, lastSentMs } = connection.stats
  const beats = `heartbeat ${connection.heartbeat} s: sent ${heartbeatsSent}, received ${heartbeatsReceived}`
  const ages = `last octet in ${seconds(lastReceivedMs)} ago, out ${seconds(lastSentMs)} ago`
  const death = 2000 * connection.heartbeat
  const countdown = lastReceivedMs > death / 2 ? `; dead in ${seconds(death - lastReceivedMs)}` : ''
  return `${connection.state}; ${beats}; ${ages}; ${traffic}${countdown}`
}
