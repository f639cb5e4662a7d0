#!/usr/bin/env node
// @ts-check
//
// A RabbitMQ 4 beside whatever this machine has: the packages of a Debian release that ships one, unpacked into a
// directory of the user's cache and run from there. Nothing is installed, no maintainer's script runs, no service can
// start; no root, no chroot and no mount is needed, so nodes are processes like those of the machine's own RabbitMQ.
// (Rejected: a tree made by debootstrap. It needs root, a whole base system, and device nodes and mounts for each node.)
//
// The release's programs need its C library, which may be newer than the machine's: each is started through the release's
// own dynamic loader.
//
// A directory counts once it holds its description, which is written last, when the programs have been seen to run: what
// an interrupted run leaves is built anew. Two runs at once wait for each other (flock, which no death leaves locked).
//
//   node scripts/rabbitmq-4.js    what happens under the lock; prints why it failed, if it did

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { debianMirrors, fetchPackages } from './debian-packages.js'
import { findProgram, lastLine, run, searchPath, succeed } from './program.js'

/** @typedef {import('./ensure-rabbitmq.js').LocalRabbitMq} LocalRabbitMq */

/** Debian 13: the first release with a RabbitMQ 4. */
const RELEASE = 'trixie'

/** To be raised when the directory is laid out anew: what an earlier layout left is then built again. */
const LAYOUT = 1

/** As long as the work takes on a slow line. */
const LOCK_TIMEOUT_S = 600

/** The server, its Erlang, and the libraries that they need: about 45 MB. Python, its tools and the users stay out. */
const NEEDED = /^(rabbitmq-server|erlang-.*|zlib1g|lib(?!python|pam).*)$/

/** Where the tree lies: in THUMP_CACHE, by default in the place that is meant for what can be fetched again. */
function treeDirectory() {
  const userCache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(process.env['THUMP_CACHE'] || join(userCache, 'thump'), 'rabbitmq-4')
}

/**
 * The RabbitMQ 4 that an earlier run unpacked.
 *
 * @returns {LocalRabbitMq | undefined}
 */
export function findTree() {
  const directory = treeDirectory()
  const file = descriptionOf(directory)
  if (!existsSync(file)) return undefined
  const { layout, installation } = JSON.parse(readFileSync(file, 'utf8'))
  // Every path in it is absolute: a directory that was moved is of no use.
  if (layout !== LAYOUT || !installation.server.startsWith(`${directory}/`)) return undefined
  return existsSync(installation.server) ? installation : undefined
}

/** @param {string} directory */
function descriptionOf(directory) {
  return join(directory, 'installation.json')
}

/**
 * Fetches and unpacks it; `findTree` finds it then.
 *
 * @param {(line: string) => void} announce told, in one line, what is about to be done to the machine
 * @returns {string | undefined} why it failed, in one line
 */
export function installTree(announce) {
  if (process.platform !== 'linux') return `the packages of Debian ${RELEASE} are for Linux`
  for (const program of ['apt-get', 'dpkg-deb', 'flock']) {
    if (findProgram(program) === undefined) return `there is no ${program} to unpack packages of Debian with`
  }
  if (debianMirrors().length === 0) return 'apt is configured with no mirror of Debian'
  const directory = treeDirectory()
  announce(
    `thump: unpacking RabbitMQ 4 from Debian ${RELEASE} into ${directory} for the tests (nothing is installed)`,
  )
  try {
    mkdirSync(join(directory, '..'), { recursive: true })
  } catch (error) {
    return messageOf(error)
  }
  const underLock = [
    '--timeout',
    `${LOCK_TIMEOUT_S}`,
    `${directory}.lock`,
    process.execPath,
    import.meta.filename,
  ]
  const timeoutMs = 2 * LOCK_TIMEOUT_S * 1000
  const { ok, output } = run('flock', underLock, { timeoutMs })
  return ok ? undefined : lastLine(output) || `another run kept ${directory} locked`
}

/** The whole work, to be done under the lock. */
function build() {
  if (findTree() !== undefined) return
  const directory = treeDirectory()
  rmSync(directory, { recursive: true, force: true })
  const packages = join(directory, 'packages')
  fetchPackages({ release: RELEASE, name: 'rabbitmq-server', needed: NEEDED, directory: packages })
  for (const name of readdirSync(packages).filter(file => file.endsWith('.deb'))) {
    succeed('dpkg-deb', ['--extract', join(packages, name), directory])
  }
  const installation = describe(directory)
  startThroughOwnLoader(directory, installation)
  // Erlang's programs, the C library, the cryptography; then the command line tool, which leaves a cookie in its home.
  succeed(installation.erl, ['-noshell', '-eval', '{ok, _} = application:ensure_all_started(ssl), halt(0).'])
  const path = [dirname(installation.erl), ...searchPath()].join(delimiter)
  const env = { PATH: path, HOME: packages, RABBITMQ_CONF_ENV_FILE: '/dev/null' }
  succeed(installation.control, ['help'], { env })
  removeUnneeded(directory)
  const file = descriptionOf(directory)
  writeFileSync(`${file}.new`, JSON.stringify({ layout: LAYOUT, installation }))
  renameSync(`${file}.new`, file)
}

/**
 * Leaves libraries, Erlang and RabbitMQ: nothing that runs with another user's rights, and half the size.
 *
 * @param {string} directory
 */
function removeUnneeded(directory) {
  for (const name of readdirSync(directory).filter(name => name !== 'usr')) remove(directory, name)
  for (const name of readdirSync(join(directory, 'usr')).filter(name => name !== 'lib'))
    remove(directory, 'usr', name)
  const libraries = libraryDirectory(directory)
  for (const name of readdirSync(join(directory, 'usr', 'lib'))) {
    const path = join(directory, 'usr', 'lib', name)
    if (!['erlang', 'rabbitmq'].includes(name) && path !== libraries) remove(path)
  }
  remove(libraries, 'gconv')
}

/** @param {readonly string[]} path */
function remove(...path) {
  rmSync(join(...path), { recursive: true, force: true })
}

/**
 * Where the release's C library is, and its loader: usr/lib/x86_64-linux-gnu and the like.
 *
 * @param {string} directory
 */
function libraryDirectory(directory) {
  const lib = join(directory, 'usr', 'lib')
  const found = readdirSync(lib).find(
    name => /-linux-gnu/.test(name) && loaderIn(join(lib, name)) !== undefined,
  )
  if (found === undefined) throw new Error(`no dynamic loader in ${lib}`)
  return join(lib, found)
}

/** @param {string} directory */
function loaderIn(directory) {
  return readdirSync(directory).find(name => /^ld-linux.*\.so\.\d+$/.test(name))
}

/**
 * @param {string} directory
 * @returns {LocalRabbitMq}
 */
function describe(directory) {
  const lib = join(directory, 'usr', 'lib')
  const erlang = join(lib, 'erlang', 'bin')
  const server = join(lib, 'rabbitmq', 'bin', 'rabbitmq-server')
  const home = /rabbitmq_server-([^/]+)/.exec(realpathSync(server))
  return {
    kind: 'local',
    version: home?.[1] ?? 'unknown',
    server,
    control: join(lib, 'rabbitmq', 'bin', 'rabbitmqctl'),
    erl: join(erlang, 'erl'),
    epmd: join(erlang, 'epmd'),
  }
}

/**
 * Puts a script in the place of each program of Erlang, which starts the program through the loader beside its own C
 * library. A program that starts another one (a node its port programs) finds the script there. The search path of the
 * loader is not inherited: what is started of the machine itself, as df, has the machine's libraries.
 *
 * @param {string} directory
 * @param {LocalRabbitMq} installation
 */
function startThroughOwnLoader(directory, { erl }) {
  const libraries = libraryDirectory(directory)
  const loader = join(libraries, loaderIn(libraries) ?? '')
  const erlang = join(directory, 'usr', 'lib', 'erlang')
  for (const path of programsBelow(erlang)) {
    renameSync(path, `${path}.elf`)
    const command = `${quote(loader)} --library-path ${quote(libraries)} --argv0 "$0" ${quote(`${path}.elf`)} "$@"`
    writeScript(path, `exec ${command}`)
  }
  // Debian's own has /usr/lib/erlang in it.
  const runtime = join(erlang, readdirSync(erlang).find(name => name.startsWith('erts-')) ?? '', 'bin')
  writeScript(
    erl,
    `export ROOTDIR=${quote(erlang)} BINDIR=${quote(runtime)} EMU=beam PROGNAME=erl\nexec "$BINDIR/erlexec" "$@"`,
  )
}

/**
 * Files that the kernel would start with the machine's own loader.
 *
 * @param {string} directory
 */
function programsBelow(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return files.filter(path => !path.endsWith('.so') && (statSync(path).mode & 0o100) !== 0 && isElf(path))
}

/** @param {string} path */
function isElf(path) {
  const file = openSync(path, 'r')
  const octets = Buffer.alloc(4)
  readSync(file, octets)
  closeSync(file)
  return octets.toString('latin1') === '\x7fELF'
}

/**
 * @param {string} path
 * @param {string} text
 */
function writeScript(path, text) {
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
}

/** @param {string} path */
function quote(path) {
  return `'${path.replaceAll("'", "'\\''")}'`
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}

function main() {
  try {
    build()
  } catch (error) {
    rmSync(treeDirectory(), { recursive: true, force: true })
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
