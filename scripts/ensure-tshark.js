#!/usr/bin/env node
// @ts-check
//
// Finds tshark, Wireshark's dissector without windows, or brings it: the package of this Debian, unpacked with the libraries that it
// needs into a directory of the user's cache and run from there. Nothing is installed, no root is needed, and nobody gets
// the right to capture: the tests only have files read. Elsewhere the tests that need it are skipped.
//
// A directory counts once it holds its description, which is written last, when the program has been seen to run. Two
// runs at once wait for each other (flock, which no death leaves locked).
//
// As a program it prints what it found, one line, or with --json the same as JSON; it exits 1 when there is none, with one
// sentence that says what to install. As a module: `ensureTshark()` and `findTshark()`.
//
//   node scripts/ensure-tshark.js --unpack    what happens under the lock

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { debianMirrors, debianRelease, fetchPackages } from './debian-packages.js'
import { findProgram, lastLine, run, succeed } from './program.js'

/**
 * @typedef {{ program: string, env: Record<string, string> }} Tshark
 *   The program, and what its environment must have.
 */

export const WHAT_TO_INSTALL =
  'No tshark found: install it (Debian, Ubuntu: apt-get install tshark; macOS: brew install wireshark).'

/** To be raised when the directory is laid out anew: what an earlier layout left is then built again. */
const LAYOUT = 1

/** As long as the work takes on a slow line. */
const LOCK_TIMEOUT_S = 600

/** The program and the libraries that it needs, about 40 MB; the C library and what belongs to it are the machine's own. */
const NEEDED = /^(tshark|zlib1g|lib(?!c6|crypt1|wireshark-data|wireshark-wireshark|cap2-bin|python|pam).*)$/

/** Where it lies: in THUMP_CACHE, by default in the place that is meant for what can be fetched again. */
function treeDirectory() {
  const userCache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(process.env['THUMP_CACHE'] || join(userCache, 'thump'), 'tshark')
}

/**
 * The machine's own, else the one that an earlier run unpacked; installs nothing.
 *
 * @returns {Tshark | undefined}
 */
export function findTshark() {
  const program = findProgram('tshark')
  return program === undefined ? findTree() : { program, env: {} }
}

/**
 * Finds it, or unpacks it where that is possible.
 *
 * @param {(line: string) => void} [announce] told, in one line, what is about to be done to the machine
 * @returns {Tshark | undefined}
 */
export function ensureTshark(announce = line => process.stderr.write(`${line}\n`)) {
  const found = findTshark()
  if (found !== undefined) return found
  const canUnpack = ['apt-get', 'dpkg-deb', 'ldd', 'flock'].every(name => findProgram(name) !== undefined)
  if (process.platform !== 'linux' || !canUnpack || debianMirrors().length === 0) return undefined
  const directory = treeDirectory()
  announce(`thump: unpacking Debian's tshark into ${directory} for the tests (nothing is installed)`)
  const failure = unpackUnderLock(directory)
  if (failure !== undefined) announce(`thump: ${failure}`)
  return findTree()
}

/**
 * @param {string} directory
 * @returns {string | undefined} why it failed, in one line
 */
function unpackUnderLock(directory) {
  try {
    mkdirSync(join(directory, '..'), { recursive: true })
  } catch (error) {
    return messageOf(error)
  }
  const underLock = [
    ...['--timeout', `${LOCK_TIMEOUT_S}`, `${directory}.lock`],
    ...[process.execPath, import.meta.filename, '--unpack'],
  ]
  const { ok, output } = run('flock', underLock, { timeoutMs: 2 * LOCK_TIMEOUT_S * 1000 })
  return ok ? undefined : lastLine(output) || `another run kept ${directory} locked`
}

/** The whole work, to be done under the lock. */
function unpack() {
  if (findTree() !== undefined) return
  const directory = treeDirectory()
  rmSync(directory, { recursive: true, force: true })
  const packages = join(directory, 'packages')
  fetchPackages({ release: debianRelease(), name: 'tshark', needed: NEEDED, directory: packages })
  for (const name of readdirSync(packages).filter(file => file.endsWith('.deb'))) {
    succeed('dpkg-deb', ['--extract', join(packages, name), directory])
  }
  const tshark = describe(directory)
  succeed(tshark.program, ['--version'], { env: tshark.env })
  removeUnneeded(directory, tshark)
  succeed(tshark.program, ['--version'], { env: tshark.env })
  const file = descriptionOf(directory)
  writeFileSync(`${file}.new`, JSON.stringify({ layout: LAYOUT, tshark }))
  renameSync(`${file}.new`, file)
}

/** @returns {Tshark | undefined} */
function findTree() {
  const directory = treeDirectory()
  const file = descriptionOf(directory)
  if (!existsSync(file)) return undefined
  const { layout, tshark } = JSON.parse(readFileSync(file, 'utf8'))
  // Every path in it is absolute: a directory that was moved is of no use.
  if (layout !== LAYOUT || !tshark.program.startsWith(`${directory}/`)) return undefined
  return existsSync(tshark.program) ? tshark : undefined
}

/** @param {string} directory */
function descriptionOf(directory) {
  return join(directory, 'tshark.json')
}

/**
 * @param {string} directory
 * @returns {Tshark}
 */
function describe(directory) {
  const roots = [join(directory, 'usr', 'lib'), join(directory, 'lib')].filter(existsSync)
  const libraries = roots.flatMap(root =>
    readdirSync(root)
      .filter(name => name.includes('-linux-gnu'))
      .map(name => join(root, name)),
  )
  return { program: join(directory, 'usr', 'bin', 'tshark'), env: { LD_LIBRARY_PATH: libraries.join(':') } }
}

/**
 * Leaves the program and the libraries that it loads: a third of the size.
 *
 * @param {string} directory
 * @param {Tshark} tshark
 */
function removeUnneeded(directory, { program, env }) {
  const output = succeed('ldd', [program], { env })
  const loaded = [...output.matchAll(/=> (\/\S+)/g)].map(match => realpathSync(match[1] ?? ''))
  const needed = new Set([program, ...loaded])
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !needed.has(path)) rmSync(path)
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}

function main() {
  if (process.argv.includes('--unpack')) {
    try {
      return unpack()
    } catch (error) {
      rmSync(treeDirectory(), { recursive: true, force: true })
      process.stderr.write(`${messageOf(error)}\n`)
      process.exitCode = 1
      return
    }
  }
  const found = ensureTshark()
  if (found === undefined) {
    process.stderr.write(`${WHAT_TO_INSTALL}\n`)
    process.exitCode = 1
  } else if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(found)}\n`)
  else process.stdout.write(`tshark: ${found.program}\n`)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
