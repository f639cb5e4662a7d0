// What a real RabbitMQ sent, from the files in test/captures (scripts/capture.js writes them and says how). It knows the
// form of those files and nothing of AMQP.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from './rabbitmq/project-root.js'

/** One conversation: all octets of each direction, in order. */
export interface Capture {
  /** From the client. */
  readonly sent: Buffer
  /** From RabbitMQ. */
  readonly received: Buffer
}

const EXTENSION = '.hex'

/** `> OCTETS` or `< OCTETS`, where (OCTETS)*N stands for N times the same. */
const LINE = /^([<>]) (?:((?:[0-9a-f]{2})+)|\(((?:[0-9a-f]{2})+)\)\*(\d+))$/

/** The names that loadCapture takes. */
export function captureNames(): string[] {
  const names = readdirSync(directory()).filter(name => name.endsWith(EXTENSION))
  return names.map(name => name.slice(0, -EXTENSION.length)).sort()
}

/** Throws when there is no such capture, or its file is not in form. */
export function loadCapture(name: string): Capture {
  return parseCapture(readFileSync(join(directory(), `${name}${EXTENSION}`), 'utf8'), name)
}

/** Lines that are empty or begin with # say nothing; `name` is for the error about a line that is neither. */
export function parseCapture(text: string, name: string): Capture {
  const octets: Record<'>' | '<', Buffer[]> = { '>': [], '<': [] }
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const [, direction, plain, repeated, times] = LINE.exec(line) ?? []
    if (direction !== '>' && direction !== '<')
      throw new Error(`${name}, line ${index + 1}: no octets: ${line}`)
    const digits = plain ?? (repeated ?? '').repeat(Number(times))
    octets[direction].push(Buffer.from(digits, 'hex'))
  }
  return { sent: Buffer.concat(octets['>']), received: Buffer.concat(octets['<']) }
}

function directory(): string {
  return join(projectRoot(), 'test', 'captures')
}
