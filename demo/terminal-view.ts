// The view on a terminal: one picture, painted over ten times a second, with the latest happenings below it. When it ends
// the last picture stays, with all happenings.

import { styleText } from 'node:util'
import { paint } from './picture.js'
import { type Snapshot, seconds, type Tone, type View } from './view.js'

const REPAINT_EVERY_MS = 100

/** Control sequences, as every terminal since the VT100 knows them. */
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
/** A row that is too long is cut, not wrapped: the height of the picture must be known. */
const CUT_ROWS = '\x1b[?7l'
const WRAP_ROWS = '\x1b[?7h'
const CLEAR_TO_ROW_END = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

export class TerminalView implements View {
  readonly #startedAt = performance.now()
  readonly #happenings: string[] = []
  #look: (() => Snapshot) | undefined
  #timer: NodeJS.Timeout | undefined
  #height = 0

  constructor() {
    process.stdout.write(HIDE_CURSOR + CUT_ROWS)
    process.once('exit', restoreTerminal)
  }

  tell(text: string, tone: Tone = 'plain'): void {
    const elapsed = seconds(performance.now() - this.#startedAt).padStart(7)
    this.#happenings.push(`${styleText('dim', elapsed)}  ${toned(text, tone)}`)
    this.#repaint()
  }

  begin(look: () => Snapshot): void {
    this.#look = look
    this.#timer = setInterval(() => this.#repaint(), REPAINT_EVERY_MS)
  }

  end(): void {
    clearInterval(this.#timer)
    process.off('exit', restoreTerminal)
    restoreTerminal()
    this.#write([...this.#picture, ...this.#happenings])
  }

  get #picture(): string[] {
    return this.#look === undefined ? [] : paint(this.#look())
  }

  /** As many of the latest happenings as there is room for, above the row of the cursor. */
  #repaint(): void {
    const picture = this.#picture
    const room = Math.max(1, process.stdout.rows - 1 - picture.length)
    this.#write([...picture, ...this.#happenings.slice(-room)])
  }

  #write(rows: readonly string[]): void {
    const up = this.#height > 0 ? `\x1b[${this.#height}A` : ''
    process.stdout.write(`${up}${rows.map(row => `${row}${CLEAR_TO_ROW_END}\n`).join('')}${CLEAR_BELOW}`)
    this.#height = rows.length
  }
}

function restoreTerminal(): void {
  process.stdout.write(SHOW_CURSOR + WRAP_ROWS)
}

function toned(text: string, tone: Tone): string {
  if (tone === 'step') return styleText(['bold', 'cyan'], text)
  if (tone === 'good') return styleText('green', text)
  return tone === 'bad' ? styleText('red', text) : text
}
