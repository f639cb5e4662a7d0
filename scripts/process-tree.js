// @ts-check
//
// A program run to its end or to its deadline. Past the deadline not only the program is ended but everything that it
// started: mocha is a parent of the process that runs the tests, which is a parent of brokers.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What is asked to end has this long to say what it was doing; then it is killed. */
const GRACE_MS = 3000

/**
 * @typedef {{ status: number | null, signal: string | null, isLate: boolean, milliseconds: number, output: string }} Outcome
 *   `output` holds what the program printed, unless it printed to our own output.
 * @typedef {{
 *   deadlineMs?: number,
 *   env?: Record<string, string>,
 *   quiet?: boolean,
 *   cwd?: string,
 *   look?: (text: string) => void,
 * }} RunOptions `look` is shown what the program prints, piece by piece, and it is printed all the same.
 */

/** Programs that run now, for the case that we are ended ourselves. */
const running = /** @type {Set<number>} */ (new Set())

/**
 * Runs a program of Node's.
 *
 * @param {readonly string[]} parameters a script and what it is given
 * @param {RunOptions} [options]
 * @returns {Promise<Outcome>}
 */
export function runNode(parameters, options) {
  return run(process.execPath, parameters, options)
}

/**
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {RunOptions} [options]
 * @returns {Promise<Outcome>}
 */
export async function run(program, parameters, options = {}) {
  const { deadlineMs = 5 * 60_000, env = {}, quiet = false, cwd = process.cwd(), look } = options
  const begin = performance.now()
  const output = quiet || look !== undefined ? 'pipe' : 'inherit'
  const child = spawn(program, parameters, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    // npm is a shell script on Windows.
    shell: program === 'npm' && process.platform === 'win32',
  })
  const { pid } = child
  if (pid !== undefined) running.add(pid)
  let text = ''
  const outlets = /** @type {const} */ ([
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
  const ends = outlets.map(([stream, outlet]) => {
    stream?.setEncoding('utf8').on('data', chunk => {
      if (quiet) text += chunk
      else outlet.write(chunk)
      look?.(chunk)
    })
    return new Promise(resolve => stream?.once('end', resolve))
  })
  let end = /** @type {Promise<void> | undefined} */ (undefined)
  const timer = setTimeout(() => {
    if (pid !== undefined) end = endTree(pid)
  }, deadlineMs)
  const [status, signal] = await new Promise(resolve => {
    child.on('error', error => {
      text += `${error.message}\n`
      resolve([null, null])
    })
    // `exit`, not `close`: a grandchild that outlives its parent holds the pipes open.
    child.on('exit', (code, ended) => resolve([code, ended]))
  })
  clearTimeout(timer)
  await end
  if (output === 'pipe') {
    // What it printed last may be in the pipes still.
    const patience = new AbortController()
    const late = delay(LAST_WORDS_MS, undefined, { signal: patience.signal }).catch(() => {})
    await Promise.race([Promise.all(ends), late])
    patience.abort()
  }
  if (pid !== undefined) running.delete(pid)
  return { status, signal, isLate: end !== undefined, milliseconds: performance.now() - begin, output: text }
}

/**
 * Ends a process and all that descend from it: first politely, then not.
 *
 * @param {number} root
 */
export async function endTree(root) {
  if (process.platform === 'win32') {
    execFileSync('taskkill', ['/PID', String(root), '/T', '/F'], { stdio: 'ignore' })
    return
  }
  const tree = descendants(root)
  for (const pid of tree) signal(pid, 'SIGTERM')
  const deadline = performance.now() + GRACE_MS
  while (performance.now() < deadline && tree.some(pid => signal(pid, 0))) await delay(LOOK_EVERY_MS)
  for (const pid of tree) signal(pid, 'SIGKILL')
}

const LOOK_EVERY_MS = 50
const LAST_WORDS_MS = 1000

/** A signal that ends this process ends whatever it runs first. */
export function endAllOnSignals() {
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(name, () => {
      endAll()
      process.exit(1)
    })
  }
}

/** Ends at once whatever runs. */
export function endAll() {
  if (process.platform === 'win32') return
  for (const root of running) for (const pid of descendants(root)) signal(pid, 'SIGKILL')
}

/**
 * @param {number} root
 * @returns {number[]} the leaves first, the root last
 */
function descendants(root) {
  const pairs = existsSync('/proc/self/stat') ? readProc() : askPs()
  /** @param {number} parent @returns {number[]} */
  const below = parent => pairs.filter(pair => pair[1] === parent).flatMap(([pid]) => [...below(pid), pid])
  return [...below(root), root]
}

/** @returns {[pid: number, parent: number][]} */
function readProc() {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.flatMap(pid => {
    try {
      // The second field is the program's name in parentheses, and may hold anything; the parent comes after the state.
      const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)?.trim().split(' ') ?? []
      return [/** @type {[number, number]} */ ([Number(pid), Number(parent)])]
    } catch {
      return []
    }
  })
}

/** @returns {[pid: number, parent: number][]} */
function askPs() {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return rows.map(row => {
    const [pid, parent] = row.trim().split(/\s+/)
    return [Number(pid), Number(parent)]
  })
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals | 0} name
 * @returns {boolean} whether there is such a process
 */
function signal(pid, name) {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
