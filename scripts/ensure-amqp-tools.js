#!/usr/bin/env node
// @ts-check
//
// Finds what the tests need to meet RabbitMQ's C client, librabbitmq, or installs it: the programs amqp-publish and its
// kin, the library with its headers, and a C compiler that can build against it. Missing packages are installed on Debian
// and Ubuntu, as root; elsewhere the tests that need them are skipped.
//
// As a program it prints what it found, one line, or with --json the same as JSON; it exits 1 when something is missing,
// with one sentence that says what to install. As a module: `ensureAmqpTools()` and `findAmqpTools()`.

import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, run } from './program.js'

/**
 * @typedef {{ program: string, parameters: string[] }} Compiler
 *   A C compiler, and what it must be given behind the source to find librabbitmq.
 * @typedef {{ tools: string | undefined, compiler: Compiler | undefined }} AmqpTools
 *   `tools` is the directory of amqp-publish and its kin.
 */

export const WHAT_TO_INSTALL =
  'No librabbitmq found: install its programs, its headers and a C compiler ' +
  '(Debian, Ubuntu: apt-get install amqp-tools librabbitmq-dev gcc libc6-dev; macOS: brew install rabbitmq-c).'

const TOOLS = ['amqp-publish', 'amqp-get', 'amqp-consume', 'amqp-declare-queue', 'amqp-delete-queue']

/** Later versions have their headers in a directory of its own. */
const HEADERS = ['rabbitmq-c/amqp.h', 'amqp.h']
const COMPILE_TIMEOUT_MS = 60_000

/** dpkg may wait ten minutes for another installation before it begins. */
const INSTALL_TIMEOUT_MS = 14 * 60_000
const UPDATE_TIMEOUT_MS = 3 * 60_000

/** Where Homebrew puts a library on either processor; the directories that a compiler searches unasked come first. */
const PREFIXES = [undefined, '/opt/homebrew', '/usr/local']

/**
 * Finds what is here; installs nothing.
 *
 * @returns {AmqpTools}
 */
export function findAmqpTools() {
  const publish = findProgram('amqp-publish')
  const tools = publish === undefined ? undefined : dirname(publish)
  const isWhole = tools !== undefined && TOOLS.every(name => existsSync(join(tools, name)))
  return { tools: isWhole ? tools : undefined, compiler: findCompiler() }
}

/**
 * Finds what is here, and installs what is missing where that is possible; what still is missing is undefined.
 *
 * @param {(line: string) => void} [announce] told, in one line, what is about to be done to the machine
 * @returns {AmqpTools}
 */
export function ensureAmqpTools(announce = line => process.stderr.write(`${line}\n`)) {
  const present = findAmqpTools()
  const packages = missingPackages(present)
  if (packages.length === 0 || process.getuid?.() !== 0 || findProgram('apt-get') === undefined)
    return present
  announce(`thump: installing the Debian packages ${packages.join(', ')} for the tests`)
  const failure = installPackages(packages)
  if (failure !== undefined) announce(`thump: ${failure}`)
  return findAmqpTools()
}

/**
 * @param {AmqpTools} present
 * @returns {string[]}
 */
function missingPackages({ tools, compiler }) {
  const packages = tools === undefined ? ['amqp-tools'] : []
  if (compiler !== undefined) return packages
  // A compiler may be there without the headers of C itself.
  packages.push('librabbitmq-dev', 'libc6-dev')
  if (findProgram('cc') === undefined) packages.push('gcc')
  return packages
}

/**
 * @param {readonly string[]} packages
 * @returns {string | undefined} why it failed
 */
function installPackages(packages) {
  // Another run of this script, or of apt, may be at work: wait for its lock.
  const options = ['--yes', '--quiet=2', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600']
  const install = () =>
    run('apt-get', ['install', ...options, ...packages], { timeoutMs: INSTALL_TIMEOUT_MS })
  if (install().ok) return undefined
  // Package lists that were never fetched, or are so old that the server no longer has the files.
  run('apt-get', ['update', '--quiet=2'], { timeoutMs: UPDATE_TIMEOUT_MS })
  const { ok, output } = install()
  return ok ? undefined : `apt-get install ${packages.join(' ')} failed: ${output.trim()}`
}

/**
 * The compiler that finds header and library: it is asked to make a shared library of nothing with them. (Our own program
 * is no trial: when that does not compile, it is a failure, and no reason to skip tests.)
 *
 * @returns {Compiler | undefined}
 */
function findCompiler() {
  const program = findProgram('cc')
  if (program === undefined) return undefined
  for (const prefix of PREFIXES) {
    const paths = prefix === undefined ? [] : [`-I${prefix}/include`, `-L${prefix}/lib`]
    const parameters = [...paths, '-lrabbitmq']
    const builds = (/** @type {string} */ header) => {
      const source = ['-include', header, '-x', 'c', '/dev/null', '-x', 'none']
      const trial = ['-shared', '-o', '/dev/null', ...source, ...parameters]
      return run(program, trial, { timeoutMs: COMPILE_TIMEOUT_MS }).ok
    }
    if (HEADERS.some(builds)) return { program, parameters }
  }
  return undefined
}

function main() {
  const found = ensureAmqpTools()
  const { tools, compiler } = found
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(found)}\n`)
  else if (tools !== undefined && compiler !== undefined) {
    process.stdout.write(`librabbitmq: ${join(tools, 'amqp-publish')}, ${compiler.program}\n`)
  }
  if (tools !== undefined && compiler !== undefined) return
  process.stderr.write(`${WHAT_TO_INSTALL}\n`)
  process.exitCode = 1
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
