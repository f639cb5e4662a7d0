// The directory of one private node under the system's temporary directory: configuration, database, logs, cookie, and
// the state file, which names the test process that owns the node and every process that was started for it. What a
// killed test run leaves behind is found by that file: by the reaper at once, by the sweep of a later run at the latest.
//
//   owner PID START-TIME      the test process; the start time tells it from a later process with its number
//   process PID               a process whose command line contains the directory's name
//   container NAME            a Docker container

import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startTimeOf } from './process-identity.js'

/** What a state file says. */
export interface NodeState {
  readonly owner: { readonly pid: number; readonly startTime: string }
  readonly processes: readonly number[]
  readonly containers: readonly string[]
}

const PREFIX = 'thump-rabbitmq-'
const STATE_FILE = 'state'

/** A directory without a state file is one that is just being made, unless it is as old as this. */
const ABANDONED_AFTER_MS = 3_600_000

export class NodeDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Makes a directory that belongs to this process. */
  static create(): NodeDirectory {
    const directory = new NodeDirectory(mkdtempSync(join(tmpdir(), PREFIX)))
    directory.#append(`owner ${process.pid} ${startTimeOf(process.pid)}`)
    return directory
  }

  /** Directories of this user's nodes, of this and of other runs, dead or alive. */
  static list(): NodeDirectory[] {
    const names = readdirSync(tmpdir()).filter(name => name.startsWith(PREFIX))
    return names.map(name => new NodeDirectory(join(tmpdir(), name))).filter(directory => directory.#isOurs())
  }

  /** Unique on this machine; the Erlang node and the container bear it too, and so do the command lines. */
  get name(): string {
    return basename(this.path)
  }

  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  write(name: string, text: string, mode = 0o600): string {
    writeFileSync(this.file(name), text, { mode })
    return this.file(name)
  }

  recordProcess(pid: number): void {
    this.#append(`process ${pid}`)
  }

  recordContainer(name: string): void {
    this.#append(`container ${name}`)
  }

  /** Undefined when there is no state file, or not a whole one. */
  readState(): NodeState | undefined {
    const rows = (this.#read(STATE_FILE) ?? '').split('\n').map(row => row.split(' '))
    const owner = rows.find(row => row[0] === 'owner')
    if (owner?.[1] === undefined) return undefined
    return {
      owner: { pid: Number(owner[1]), startTime: owner.slice(2).join(' ') },
      processes: rows.filter(row => row[0] === 'process').map(row => Number(row[1])),
      containers: rows.filter(row => row[0] === 'container').map(row => row[1] ?? ''),
    }
  }

  /** Whether nobody will ever come back to it. */
  isAbandoned(): boolean {
    const state = this.readState()
    if (state !== undefined) return startTimeOf(state.owner.pid) !== state.owner.startTime
    const modified = statSync(this.path, { throwIfNoEntry: false })?.mtimeMs
    return modified !== undefined && Date.now() - modified > ABANDONED_AFTER_MS
  }

  /** The last lines of all logs, for an error message. */
  logTail(lines = 30): string {
    const logs = existsSync(this.file('log')) ? readdirSync(this.file('log')) : []
    const names = logs.filter(name => name.endsWith('.log'))
    return names
      .flatMap(name => (this.#read('log', name) ?? '').trimEnd().split('\n').slice(-lines))
      .join('\n')
  }

  /** Removes it all; what a dying process still writes is waited out. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }

  #isOurs(): boolean {
    return statSync(this.path, { throwIfNoEntry: false })?.uid === process.getuid?.()
  }

  #append(line: string): void {
    appendFileSync(this.file(STATE_FILE), `${line}\n`)
  }

  #read(...names: string[]): string | undefined {
    try {
      return readFileSync(this.file(...names), 'utf8')
    } catch {
      return undefined
    }
  }
}
