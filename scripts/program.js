// @ts-check
//
// Programs of this machine that the scripts look for and run to their end, one at a time, and with an end: what hangs
// is ended. (What runs beside something else, or starts processes of its own, is for process-tree.js.)

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

/** Fetching fifty megabytes over a slow line; callers that expect an answer at once say so. */
const DEFAULT_TIMEOUT_MS = 10 * 60_000
const QUICK_TIMEOUT_MS = 60_000

/**
 * The first executable file of that name; undefined when there is none.
 *
 * @param {string} name
 * @param {readonly string[]} [directories] those of PATH by default
 */
export function findProgram(name, directories = searchPath()) {
  return directories.map(directory => join(directory, name)).find(isExecutable)
}

export function searchPath() {
  return (process.env['PATH'] ?? '').split(delimiter).filter(directory => directory !== '')
}

/**
 * Runs a program that asks nothing and reads nothing.
 *
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {{ timeoutMs?: number, cwd?: string, env?: Record<string, string> }} [options]
 * @returns {{ ok: boolean, status: number | null, output: string }} `output` is all that it printed, or why it did not run
 */
export function run(program, parameters, { timeoutMs = DEFAULT_TIMEOUT_MS, cwd = '/', env = {} } = {}) {
  const result = spawnSync(program, parameters, {
    cwd,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const printed = `${result.stdout ?? ''}${result.stderr ?? ''}`
  return { ok: result.status === 0, status: result.status, output: result.error?.message ?? printed }
}

/**
 * Runs a program that must not fail, and is quick unless `options` says otherwise.
 *
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {{ timeoutMs?: number, cwd?: string, env?: Record<string, string> }} [options]
 * @returns {string} what it printed
 * @throws {Error} in one line, when it failed
 */
export function succeed(program, parameters, options = {}) {
  const { ok, output } = run(program, parameters, { timeoutMs: QUICK_TIMEOUT_MS, ...options })
  if (ok) return output
  const what = parameters.find(parameter => /^[a-z]+$/.test(parameter)) ?? parameters[0]
  throw new Error(`${basename(program)} ${what} failed: ${/^E: .*$/m.exec(output)?.[0] ?? lastLine(output)}`)
}

/** @param {string} text */
export function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? ''
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
