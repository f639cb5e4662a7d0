// A private node as processes of this user on this machine. Its files, its database, its cookie and its home are in
// its own directory; every listener is on loopback; no setting of a RabbitMQ that is installed here is read.
//
// Erlang nodes find each other through a port mapper, epmd, which a node starts as a daemon when it finds none, on the
// well-known port, for all nodes of the machine and for ever. A private node has an epmd of its own, on its own port,
// started here in the foreground before the VM and ended after it: a foreign one is neither used nor left behind.
// (Rejected: `-start_epmd false`; RabbitMQ starts an epmd before its distribution all the same.)

import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CONTROL_LOOP } from './control-channel.js'
import { until, within } from './deadline.js'
import { freePort } from './free-port.js'
import type { LocalRabbitMq } from './installation.js'
import type { NodeDirectory } from './node-directory.js'
import {
  CLIENT_CERTIFICATES,
  DEFAULT_SETTINGS,
  type NodeLauncher,
  type RabbitMqSettings,
  type TlsListener,
} from './node-launcher.js'
import { isStopped } from './process-identity.js'

const EPMD_LISTENS_WITHIN_MS = 10_000
const EPMD_ENDS_WITHIN_MS = 5_000
const STOPPED_WITHIN_MS = 5_000

/** Any of rabbitmqctl's own timeouts (60 s) comes first. */
const CTL_TIMEOUT_MS = 90_000

interface NodePorts {
  readonly amqp: number
  readonly distribution: number
  readonly epmd: number
}

export class LocalLauncher implements NodeLauncher {
  readonly #installation: LocalRabbitMq
  readonly #directory: NodeDirectory
  readonly #ports: NodePorts
  readonly #environment: NodeJS.ProcessEnv
  #epmd: ChildProcessWithoutNullStreams | undefined
  #vm: ChildProcessWithoutNullStreams | undefined

  static async create(
    installation: LocalRabbitMq,
    directory: NodeDirectory,
    settings: RabbitMqSettings,
    tls: TlsListener | undefined,
  ): Promise<LocalLauncher> {
    const ports = { amqp: await freePort(), distribution: await freePort(), epmd: await freePort() }
    return new LocalLauncher(installation, directory, { ...settingsOf(tls), ...settings }, ports)
  }

  private constructor(
    installation: LocalRabbitMq,
    directory: NodeDirectory,
    settings: RabbitMqSettings,
    ports: NodePorts,
  ) {
    this.#installation = installation
    this.#directory = directory
    this.#ports = ports
    for (const name of ['mnesia', 'log', 'plugins']) mkdirSync(directory.file(name))
    const applications = linkNeededApplications(installation, directory.file('plugins'))
    this.#environment = this.#composeEnvironment(settings, applications)
  }

  get port(): number {
    return this.#ports.amqp
  }

  async launch(): Promise<ChildProcessWithoutNullStreams> {
    if (this.#epmd === undefined) await this.#startEpmd()
    const parameters = ['-noshell', '-eval', CONTROL_LOOP]
    // The script sets ERL_LIBS to all that the server was shipped with; the VM's own flag comes after it.
    if (this.#environment['RABBITMQ_PLUGINS_DIR'] !== undefined) {
      parameters.unshift('-env', 'ERL_LIBS', this.#directory.file('plugins'))
    }
    this.#vm = this.#spawn(this.#installation.server, parameters)
    return this.#vm
  }

  async freeze(): Promise<void> {
    const pid = this.#vm?.pid
    if (pid === undefined) return
    this.#vm?.kill('SIGSTOP')
    // Until the last thread has stopped the broker may still answer.
    await until(STOPPED_WITHIN_MS, `the VM ${pid} stops`, () => isStopped(pid))
  }

  async thaw(): Promise<void> {
    this.#vm?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    this.#vm?.kill('SIGKILL')
  }

  async ctl(parameters: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#installation.control, parameters, {
      env: this.#environment,
      timeout: CTL_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  }

  async release(): Promise<void> {
    const epmd = this.#epmd
    this.#epmd = undefined
    if (epmd === undefined || epmd.exitCode !== null || epmd.signalCode !== null) return
    const exited = once(epmd, 'exit')
    epmd.kill('SIGKILL')
    await within(EPMD_ENDS_WITHIN_MS, 'the end of epmd, killed', exited)
  }

  async #startEpmd(): Promise<void> {
    const { epmd } = this.#ports
    // epmd takes no parameter that could bear the node's name, by which the sweep knows it again: its path does. (A zeroth
    // parameter of our own would be lost where epmd is a script.)
    const path = this.#directory.file('epmd')
    if (!existsSync(path)) symlinkSync(this.#installation.epmd, path)
    this.#epmd = this.#spawn(path, ['-port', String(epmd), '-address', '127.0.0.1'])
    this.#epmd.stdout.resume()
    this.#epmd.stderr.resume()
    await until(EPMD_LISTENS_WITHIN_MS, `epmd listens on ${epmd}`, () => accepts(epmd))
  }

  /** Own session: a Ctrl-C at the tests' terminal is not for it. Unreferenced: it holds no process that is done. */
  #spawn(program: string, parameters: readonly string[]): ChildProcessWithoutNullStreams {
    const env = this.#environment
    const cwd = this.#directory.path
    const child = spawn(program, parameters, { env, cwd, detached: true })
    if (child.pid !== undefined) this.#directory.recordProcess(child.pid)
    child.unref()
    // Pipes to a child are sockets, which the declared types do not say.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) (pipe as Socket).unref()
    return child
  }

  #composeEnvironment(settings: RabbitMqSettings, applicationsLinked: boolean): NodeJS.ProcessEnv {
    const directory = this.#directory
    const foreign = /^(RABBITMQ|ERL|EPMD|NOTIFY_SOCKET)/
    const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name))
    const configuration = {
      'listeners.tcp.1': `127.0.0.1:${this.#ports.amqp}`,
      'log.file': 'node.log',
      'log.console': false,
      ...DEFAULT_SETTINGS,
      ...settings,
    }
    const lines = Object.entries(configuration).map(([name, value]) => `${name} = ${value}\n`)
    directory.write('.erlang.cookie', randomBytes(16).toString('hex'), 0o400)
    return {
      ...Object.fromEntries(inherited),
      PATH: [dirname(this.#installation.erl), process.env['PATH']].join(delimiter),
      HOME: directory.path,
      TERM: 'dumb',
      ERL_EPMD_PORT: String(this.#ports.epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_CRASH_DUMP_SECONDS: '0',
      // For every VM: the node, the one it starts to be sure of an epmd, and rabbitmqctl's. One scheduler thread each.
      ERL_AFLAGS: '+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_NODENAME: `${directory.name}@localhost`,
      RABBITMQ_DIST_PORT: String(this.#ports.distribution),
      RABBITMQ_CONFIG_FILE: directory.write('rabbitmq.conf', lines.join('')),
      RABBITMQ_ADVANCED_CONFIG_FILE: directory.write('advanced.config', '[].\n'),
      RABBITMQ_CONF_ENV_FILE: directory.file('rabbitmq-env.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: directory.write('enabled_plugins', '[].\n'),
      RABBITMQ_MNESIA_BASE: directory.file('mnesia'),
      RABBITMQ_LOG_BASE: directory.file('log'),
      // Without it the script puts a shell between us and the VM, which keeps our pipe from the VM's standard input.
      RABBITMQ_ALLOW_INPUT: '1',
      ...(applicationsLinked && { RABBITMQ_PLUGINS_DIR: directory.file('plugins') }),
    }
  }
}

function settingsOf(tls: TlsListener | undefined): RabbitMqSettings {
  if (tls === undefined) return {}
  const { port, cacertfile, certfile, keyfile } = tls
  return {
    'listeners.ssl.1': `127.0.0.1:${port}`,
    'ssl_options.cacertfile': cacertfile,
    'ssl_options.certfile': certfile,
    'ssl_options.keyfile': keyfile,
    ...CLIENT_CERTIFICATES,
  }
}

/**
 * Links the applications that the broker itself needs, and no plugin. With only these in the VM's code path a start
 * takes 3 to 4 s instead of 8 to 9 (RabbitMQ 3.10.8, two idle cores): the VM opens each module by trying every directory, and the
 * configuration schemas of all plugins are read even if none is enabled. False when the server is packed otherwise.
 */
function linkNeededApplications(installation: LocalRabbitMq, target: string): boolean {
  const shipped = join(dirname(realpathSync(installation.server)), '..', 'plugins')
  const names = existsSync(shipped) ? readdirSync(shipped) : []
  const directories = new Map(names.map(name => [name.slice(0, name.lastIndexOf('-')), join(shipped, name)]))
  const needed = new Set(['rabbit'])
  for (const application of needed) {
    const directory = directories.get(application)
    if (directory === undefined) continue
    const description = join(directory, 'ebin', `${application}.app`)
    if (!existsSync(description)) return false
    symlinkSync(directory, join(target, basename(directory)))
    const dependencies = /\{applications,\s*\[([^\]]*)\]/.exec(readFileSync(description, 'utf8'))?.[1] ?? ''
    for (const dependency of dependencies.split(',')) needed.add(dependency.trim())
  }
  return directories.has('rabbit')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
