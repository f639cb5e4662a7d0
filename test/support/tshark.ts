// tshark, Wireshark's dissector, given a capture and asked what it sees: an opinion about octets that nobody here has written. What
// there is of it on this machine, scripts/ensure-tshark.js finds or brings; where there is none, tests are skipped. That
// script is plain JavaScript; the types here are its typedefs over again.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Pcap } from './pcap.js'
import { projectRoot } from './rabbitmq/project-root.js'

/** For a hook: what is missing is fetched first. */
export const TSHARK_MS = 15 * 60_000

/** It takes a fifth of a second; a machine with other work may take long. */
const RUN_TIMEOUT_MS = 30_000
const OUTPUT_MAX = 64 * 1024 * 1024

/** One AMQP frame as tshark sees it. */
export interface DissectedFrame {
  /** Number of the packet in which it ends, counted from one. */
  readonly packet: number
  readonly channelNumber: number
  /** What tshark calls it: `Method`, `Content header`, `Content body`, `Heartbeat`. */
  readonly type: string
  /** For a method: class and method as tshark names them, `Basic.Publish`. */
  readonly method: string | undefined
  /** All that it says of the frame, line by line, indented as a tree; its own remarks, in brackets, left out. */
  readonly lines: readonly string[]
}

export interface Dissection {
  readonly frames: readonly DissectedFrame[]
  /** Packets that it calls malformed, and what its expert calls an error. */
  readonly complaints: readonly string[]
}

interface EnsureModule {
  readonly WHAT_TO_INSTALL: string
  ensureTshark(): { readonly program: string; readonly env: Readonly<Record<string, string>> } | undefined
}

export class Tshark {
  readonly #program: string
  readonly #env: Readonly<Record<string, string>>

  /** Where there is none the tests of the hook are skipped. */
  static async need(context: Mocha.Context): Promise<Tshark> {
    const script = pathToFileURL(join(projectRoot(), 'scripts', 'ensure-tshark.js'))
    const { ensureTshark, WHAT_TO_INSTALL }: EnsureModule = await import(script.href)
    const found = ensureTshark()
    if (found !== undefined) return new Tshark(found.program, found.env)
    const reason = ` (skipped: ${WHAT_TO_INSTALL})`
    context.test?.parent?.eachTest(test => {
      if (!test.title.endsWith(reason)) test.title += reason
    })
    return context.skip()
  }

  private constructor(program: string, env: Readonly<Record<string, string>>) {
    this.#program = program
    this.#env = env
  }

  async dissect(pcap: Pcap): Promise<Dissection> {
    const directory = mkdtempSync(join(tmpdir(), 'thump-tshark-'))
    try {
      const file = join(directory, 'capture.pcap')
      writeFileSync(file, pcap.octets)
      const parameters = ['-n', '-r', file, '-d', 'tcp.port==5672,amqp', '-V', '-O', 'amqp']
      // A home of its own: preferences of whoever runs this have no say.
      const env = { ...process.env, ...this.#env, HOME: directory, LC_ALL: 'C.UTF-8', TZ: 'UTC' }
      const options = { env, timeout: RUN_TIMEOUT_MS, maxBuffer: OUTPUT_MAX }
      const { stdout } = await promisify(execFile)(this.#program, parameters, options)
      return read(stdout)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/**
 * Its text: for each packet a line `Frame N: …`, then for each AMQP frame in it a line and below it a tree of lines.
 */
function read(text: string): Dissection {
  const frames: DissectedFrame[] = []
  const complaints: string[] = []
  let packet = 0
  let lines: string[] | undefined
  const end = (): void => {
    if (lines !== undefined) frames.push(describe(packet, lines))
    lines = undefined
  }
  for (const line of text.split('\n')) {
    if (/\[(Expert Info \(Error|Malformed Packet|Dissector bug)/.test(line))
      complaints.push(`${packet}: ${line.trim()}`)
    if (line.startsWith('Advanced Message Queuing Protocol')) {
      end()
      lines = []
    } else if (/^\S/.test(line)) {
      end()
      packet = Number(/^Frame (\d+):/.exec(line)?.[1] ?? packet)
    } else if (lines !== undefined && line.trim() !== '' && !/^\s*\[.*\]$/.test(line)) {
      lines.push(line.slice('    '.length))
    }
  }
  end()
  return { frames, complaints }
}

function describe(packet: number, lines: readonly string[]): DissectedFrame {
  const after = (label: string): string | undefined =>
    lines.find(line => line.startsWith(`${label}: `))?.slice(label.length + 2)
  const name = (label: string): string | undefined => after(label)?.replace(/ \(\d+\)$/, '')
  const method = name('Method')
  return {
    packet,
    channelNumber: Number(after('Channel') ?? Number.NaN),
    type: name('Type') ?? 'nothing',
    method: method === undefined ? undefined : `${name('Class')}.${method}`,
    lines,
  }
}
