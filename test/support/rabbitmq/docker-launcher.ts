// A private node in a Docker container, where there is an engine and no server on the machine. The AMQP port is
// published on loopback; the control channel is the standard input of `docker start --attach --interactive`, whose end
// the engine hands on when the client is gone, so that this node too halts when the test process dies.
//
// The container is made once and started for each life of the node: its file system, and with it the database, stays.

import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { CONTROL_LOOP } from './control-channel.js'
import { freePort } from './free-port.js'
import type { DockerRabbitMq } from './installation.js'
import type { NodeDirectory } from './node-directory.js'
import {
  CLIENT_CERTIFICATES,
  DEFAULT_SETTINGS,
  type NodeLauncher,
  type RabbitMqSettings,
  type TlsListener,
} from './node-launcher.js'

const CTL_TIMEOUT_MS = 90_000

const CONFIGURATION_FILE = '/etc/rabbitmq/rabbitmq.conf'

const TLS_PORT = 5671
const TLS_FILES = {
  cacertfile: '/etc/rabbitmq/ca.pem',
  certfile: '/etc/rabbitmq/cert.pem',
  keyfile: '/etc/rabbitmq/key.pem',
}

const TLS_SETTINGS: RabbitMqSettings = {
  'listeners.ssl.1': TLS_PORT,
  'ssl_options.cacertfile': TLS_FILES.cacertfile,
  'ssl_options.certfile': TLS_FILES.certfile,
  'ssl_options.keyfile': TLS_FILES.keyfile,
  ...CLIENT_CERTIFICATES,
}

export class DockerLauncher implements NodeLauncher {
  readonly port: number
  readonly #docker: string
  readonly #container: string

  static async create(
    installation: DockerRabbitMq,
    directory: NodeDirectory,
    settings: RabbitMqSettings,
    tls: TlsListener | undefined,
  ): Promise<DockerLauncher> {
    const launcher = new DockerLauncher(installation.docker, directory.name, await freePort())
    directory.recordContainer(directory.name)
    await launcher.#createContainer(installation.image, directory, settings, tls)
    return launcher
  }

  private constructor(docker: string, container: string, port: number) {
    this.#docker = docker
    this.#container = container
    this.port = port
  }

  async launch(): Promise<ChildProcessWithoutNullStreams> {
    const parameters = ['start', '--attach', '--interactive', this.#container]
    const client = spawn(this.#docker, parameters, { detached: true })
    client.unref()
    // Pipes to a child are sockets, which the declared types do not say.
    for (const pipe of [client.stdin, client.stdout, client.stderr]) (pipe as Socket).unref()
    return client
  }

  async freeze(): Promise<void> {
    await this.#run('pause', this.#container)
  }

  async thaw(): Promise<void> {
    await this.#run('unpause', this.#container)
  }

  async kill(): Promise<void> {
    await this.#run('kill', '--signal', 'KILL', this.#container)
  }

  ctl(parameters: readonly string[]): Promise<string> {
    return this.#run('exec', this.#container, 'rabbitmqctl', ...parameters)
  }

  async release(): Promise<void> {
    await this.#run('rm', '--force', '--volumes', this.#container)
  }

  async #createContainer(
    image: string,
    directory: NodeDirectory,
    settings: RabbitMqSettings,
    tls: TlsListener | undefined,
  ): Promise<void> {
    // guest may log in from loopback only, and what comes in by a published port comes from the engine's bridge.
    const configuration = {
      'listeners.tcp.1': 5672,
      'loopback_users.guest': false,
      ...DEFAULT_SETTINGS,
      ...(tls !== undefined && TLS_SETTINGS),
      ...settings,
    }
    const lines = Object.entries(configuration).map(([name, value]) => `${name} = ${value}\n`)
    // The server in the container is another user than the one who writes the file.
    const file = directory.write('rabbitmq.conf', lines.join(''), 0o644)
    await this.#run(
      ...['create', '--interactive', '--name', this.#container],
      ...['--publish', `127.0.0.1:${this.port}:5672`],
      ...['--volume', `${file}:${CONFIGURATION_FILE}:ro`],
      ...tlsParameters(tls),
      ...['--env', `RABBITMQ_NODENAME=${this.#container}@localhost`, '--env', 'RABBITMQ_ALLOW_INPUT=1'],
      ...['--env', 'ERL_AFLAGS=+S 1:1'],
      ...[image, 'rabbitmq-server', '-noshell', '-eval', CONTROL_LOOP],
    )
  }

  async #run(...parameters: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#docker, parameters, {
      timeout: CTL_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  }
}

function tlsParameters(tls: TlsListener | undefined): string[] {
  if (tls === undefined) return []
  const { port, cacertfile, certfile, keyfile } = tls
  const mounts = [
    [cacertfile, TLS_FILES.cacertfile],
    [certfile, TLS_FILES.certfile],
    [keyfile, TLS_FILES.keyfile],
  ]
  return [
    ...['--publish', `127.0.0.1:${port}:${TLS_PORT}`],
    ...mounts.flatMap(([from, to]) => ['--volume', `${from}:${to}:ro`]),
  ]
}
