#!/usr/bin/env node
// @ts-check
//
// Finds a RabbitMQ server for the tests, or installs one: a server that is already here, else Debian's package
// (as root, where there is apt-get), else a Docker image. With --series 4, or RABBITMQ_SERIES=4, a RabbitMQ 4: one that is
// already here, else one unpacked beside it (rabbitmq-4.js), else a Docker image. Tests start private nodes from what this
// returns; nothing here starts a broker, and none is left running by the installation.
//
// As a program it prints what it found, one line, or with --json the same as JSON; it exits 1 when there is nothing
// to be had, with one sentence that says what to install. As a module: `ensureRabbitMq()` and `findRabbitMq()`.

import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findProgram, run, searchPath } from './program.js'
import { findTree, installTree } from './rabbitmq-4.js'

/**
 * @typedef {{ kind: 'local', version: string, server: string, control: string, erl: string, epmd: string }} LocalRabbitMq
 *   Programs of a server on this machine. `server` and `control` are the scripts that run as the calling user, not
 *   the wrappers in /usr/sbin that become the user `rabbitmq`.
 * @typedef {{ kind: 'docker', version: string, docker: string, image: string }} DockerRabbitMq
 *   `version` is the image's tag: the server's own version is known only once a container runs.
 * @typedef {LocalRabbitMq | DockerRabbitMq} RabbitMqInstallation
 */

const POLICY_FILE = '/usr/sbin/policy-rc.d'
const SAVED_POLICY_FILE = `${POLICY_FILE}.before-thump`

/** invoke-rc.d's "action forbidden by policy": the package's own start of its service becomes a no-op. */
const ACTION_FORBIDDEN = 101

const POLICY = `#!/bin/sh\n# Only while thump installs rabbitmq-server for its tests.\nexit ${ACTION_FORBIDDEN}\n`

/**
 * Where the scripts lie that do not change the user; Debian, Homebrew on both processors, and the generic tarball's
 * usual place come before PATH, because what PATH finds on Debian is the wrapper.
 */
const SERVER_DIRECTORIES = [
  '/usr/lib/rabbitmq/bin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/usr/local/opt/rabbitmq/sbin',
  '/opt/rabbitmq/sbin',
]

/** Any: the newest series whose defaults still allow transient queues, as 3.10 does. */
const DEFAULT_IMAGES = { any: 'rabbitmq:3.13-alpine', 4: 'rabbitmq:4-alpine' }

/** An engine that does not answer by then is as good as none. */
const ENGINE_TIMEOUT_MS = 30_000

/** dpkg may wait ten minutes for another installation before it begins. */
const INSTALL_TIMEOUT_MS = 14 * 60_000

const WHAT_TO_INSTALL =
  'No RabbitMQ server found: install the package rabbitmq-server (Debian, Ubuntu: apt-get install rabbitmq-server; ' +
  'macOS: brew install rabbitmq), start Docker, or set AMQP_URL to a broker that tests may use.'

/**
 * Finds a server that can be started as it is; installs nothing.
 *
 * @returns {LocalRabbitMq | undefined}
 */
export function findRabbitMq() {
  const path = searchPath()
  const server = findProgram('rabbitmq-server', [...SERVER_DIRECTORIES, ...path])
  const erl = findProgram('erl', path)
  if (server === undefined || erl === undefined) return undefined
  const control = findProgram('rabbitmqctl', [dirname(server), ...path])
  const epmd = findProgram('epmd', [...path, ...runtimeDirectories(erl)])
  if (control === undefined || epmd === undefined) return undefined
  return { kind: 'local', version: serverVersion(server), server, control, erl, epmd }
}

/**
 * Finds a server, or installs one.
 *
 * @param {(line: string) => void} [announce] told, in one line, what is about to be done to the machine
 * @param {string} [series] '4', or '' for any; RABBITMQ_SERIES by default
 * @returns {RabbitMqInstallation}
 * @throws {Error} with one sentence that says what to install, when there is no way to have a server
 */
export function ensureRabbitMq(
  announce = line => process.stderr.write(`${line}\n`),
  series = process.env['RABBITMQ_SERIES'] ?? '',
) {
  if (series !== '' && series !== '4')
    throw new Error(`The tests know RabbitMQ of series 4 or of any, not '${series}'.`)
  return series === '4' ? ensureSeries4(announce) : ensureAnySeries(announce)
}

/**
 * @param {(line: string) => void} announce
 * @returns {RabbitMqInstallation}
 */
function ensureSeries4(announce) {
  const present = findRabbitMq()
  if (present?.version.startsWith('4.')) return present
  const unpacked = findTree()
  if (unpacked !== undefined) return unpacked
  const failure = installTree(announce)
  const installation = findTree() ?? findDockerImage(DEFAULT_IMAGES[4], announce)
  if (installation !== undefined) return installation
  throw new Error(
    `No RabbitMQ 4 found: install one, start Docker, or run this on a Debian with a mirror in reach (${failure}).`,
  )
}

/**
 * @param {(line: string) => void} announce
 * @returns {RabbitMqInstallation}
 */
function ensureAnySeries(announce) {
  const present = findRabbitMq()
  if (present !== undefined) return present
  if (process.getuid?.() === 0 && findProgram('apt-get') !== undefined) {
    announce(
      'thump: installing the Debian package rabbitmq-server for the tests (its service is not started)',
    )
    const failure = installDebianPackage()
    if (failure !== undefined) announce(`thump: ${failure}`)
    const installed = findRabbitMq()
    if (installed !== undefined) return installed
  }
  const container = findDockerImage(process.env['RABBITMQ_IMAGE'] ?? DEFAULT_IMAGES.any, announce)
  if (container !== undefined) return container
  throw new Error(WHAT_TO_INSTALL)
}

/**
 * @returns {string | undefined} why it failed
 * @throws {Error} when something listens afterwards that did not before
 */
function installDebianPackage() {
  const portsBefore = listeningPorts()
  const restorePolicy = forbidServices()
  try {
    // Fails when the package lists were never fetched, or are so old that the server no longer has the file.
    if (!installPackage().ok) {
      run('apt-get', ['update', '--quiet=2'])
      const install = installPackage()
      if (!install.ok) return `apt-get install rabbitmq-server failed: ${install.output.trim()}`
    }
  } finally {
    restorePolicy()
  }
  // The package enables its service for the next boot; tests bring their own nodes, on their own ports.
  run('systemctl', ['disable', '--quiet', 'rabbitmq-server.service', 'epmd.service', 'epmd.socket'])
  const left = SERVICE_PORTS.filter(port => listeningPorts().has(port) && !portsBefore.has(port))
  if (left.length > 0) {
    throw new Error(
      `installing rabbitmq-server left a service on port ${left.join(', ')}; stop it and try again`,
    )
  }
  return undefined
}

function installPackage() {
  // Another run of this script, or of apt, may be at work: wait for its lock.
  const options = ['--yes', '--quiet=2', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600']
  return run('apt-get', ['install', ...options, 'rabbitmq-server'], { timeoutMs: INSTALL_TIMEOUT_MS })
}

/** AMQP and AMQPS, the Erlang port mapper, the distribution port and the management plugin. */
const SERVICE_PORTS = [5671, 5672, 4369, 25672, 15672]

/**
 * Forbids that packages start services while they are installed, the way Debian provides for it: a policy program that
 * says no. The machine's own policy waits aside, and is also put back after a run that was killed.
 *
 * @returns {() => void} puts the machine's own policy back
 */
function forbidServices() {
  const ownPolicy = existsSync(POLICY_FILE) && readFileSync(POLICY_FILE, 'utf8') !== POLICY
  if (ownPolicy && run(POLICY_FILE, ['rabbitmq-server', 'start']).status === ACTION_FORBIDDEN) return () => {}
  // A Ctrl-C ends apt-get, which is in the same process group; then it is our turn to clean up and fail.
  for (const signal of SIGNALS) process.on(signal, hold)
  if (ownPolicy) renameSync(POLICY_FILE, SAVED_POLICY_FILE)
  writeFileSync(POLICY_FILE, POLICY, { mode: 0o755 })
  return () => {
    if (existsSync(SAVED_POLICY_FILE)) renameSync(SAVED_POLICY_FILE, POLICY_FILE)
    else rmSync(POLICY_FILE, { force: true })
    for (const signal of SIGNALS) process.off(signal, hold)
  }
}

/** @type {readonly NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

function hold() {}

/**
 * @param {string} image
 * @param {(line: string) => void} announce
 * @returns {DockerRabbitMq | undefined}
 */
function findDockerImage(image, announce) {
  const docker = findProgram('docker')
  if (docker === undefined) return undefined
  const answers = run(docker, ['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: ENGINE_TIMEOUT_MS,
  })
  if (!answers.ok) return undefined
  if (!run(docker, ['image', 'inspect', image]).ok) {
    announce(`thump: pulling the Docker image ${image} for the tests`)
    if (!run(docker, ['pull', '--quiet', image]).ok) return undefined
  }
  return { kind: 'docker', version: image.slice(image.lastIndexOf(':') + 1), docker, image }
}

/**
 * The version is in the name of the directory that holds the plugin `rabbit`: no Erlang has to start to ask.
 *
 * @param {string} server
 */
function serverVersion(server) {
  const plugins = join(dirname(realpathSync(server)), '..', 'plugins')
  const names = existsSync(plugins) ? readdirSync(plugins) : []
  const rabbit = names.map(name => /^rabbit-(\d+\.\d+\.\d+[^/]*?)(\.ez)?$/.exec(name)?.[1]).find(Boolean)
  return rabbit ?? 'unknown'
}

/**
 * epmd is in PATH on Debian, but only in the runtime's own directory (erts-VERSION/bin) elsewhere.
 *
 * @param {string} erl
 */
function runtimeDirectories(erl) {
  const root = join(dirname(realpathSync(erl)), '..')
  const directories = existsSync(root) ? readdirSync(root) : []
  return [
    dirname(realpathSync(erl)),
    ...directories.filter(name => name.startsWith('erts-')).map(name => join(root, name, 'bin')),
  ]
}

/**
 * Ports something listens on, all addresses; empty where there is no /proc/net.
 *
 * @returns {Set<number>}
 */
function listeningPorts() {
  const files = ['/proc/net/tcp', '/proc/net/tcp6'].filter(file => existsSync(file))
  const rows = files.flatMap(file => readFileSync(file, 'utf8').split('\n').slice(1))
  const sockets = rows.map(row => row.trim().split(/\s+/)).filter(fields => fields[3] === SOCKET_LISTENS)
  return new Set(sockets.map(fields => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)))
}

/** TCP_LISTEN in the kernel's list of sockets. */
const SOCKET_LISTENS = '0A'

function main() {
  try {
    const { json, series } = parseArgs({
      options: { json: { type: 'boolean' }, series: { type: 'string' } },
    }).values
    const installation = ensureRabbitMq(undefined, series)
    const where = installation.kind === 'local' ? installation.server : `Docker image ${installation.image}`
    process.stdout.write(
      `${json ? JSON.stringify(installation) : `RabbitMQ ${installation.version}: ${where}`}\n`,
    )
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
