// A private RabbitMQ node for tests: own name, free ports, own directory, loopback only, nothing shared with another
// node, another test run or a broker of the machine. It can be stopped, killed, frozen, blocked and brought back.
//
// The VM is run by a launcher and told what to do over its control channel (about 1 ms; rabbitmqctl takes 0.6 s). When
// the test process dies, the VM halts at the end of its standard input, and the reaper kills what does not; what even
// that leaves is swept by the next start.

import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { keep } from '../invariants/keep.js'
import { awaitConnectionStart } from './connection-start.js'
import { ControlChannel } from './control-channel.js'
import { within } from './deadline.js'
import { DockerLauncher } from './docker-launcher.js'
import { ensureInstallation } from './installation.js'
import { LocalLauncher } from './local-launcher.js'
import { NodeDirectory } from './node-directory.js'
import type { NodeLauncher, RabbitMqSettings } from './node-launcher.js'
import { NodeTls } from './node-tls.js'
import { Reaper } from './reaper.js'
import { sweepAbandonedNodes } from './sweep.js'

export interface RabbitMqNodeOptions {
  /** Lines of rabbitmq.conf, by their names there. None by default. */
  readonly settings?: RabbitMqSettings | undefined
  /** Listen with TLS too. Default false. */
  readonly tls?: boolean | undefined
  /** How long a start may take, ms; 60 000 by default: 3 to 4 s on idle cores, and room for a machine that is busy with other nodes. */
  readonly startTimeout?: number | undefined
}

/** A graceful stop takes about a second; what takes longer than this is killed. */
const STOP_TIMEOUT_MS = 20_000

/** Another process may take a port between the choice and the start. */
const START_ATTEMPTS = 3

const PORT_TAKEN = /eaddrinuse|address already in use/i

/** A VM that runs, and the way to talk to it. */
interface Life {
  readonly vm: ChildProcessWithoutNullStreams
  readonly control: ControlChannel
}

export class RabbitMqNode {
  readonly #launcher: NodeLauncher
  readonly #directory: NodeDirectory
  readonly #reaper: Reaper
  readonly #startTimeout: number
  readonly #tls: NodeTls | undefined
  #life: Life | undefined
  #version = ''
  #frozen = false

  /** Starts a node and resolves when it answers with Connection.Start; rejects with the tail of its log. */
  static async start(options: RabbitMqNodeOptions = {}): Promise<RabbitMqNode> {
    await sweepAbandonedNodes()
    for (let attempt = 1; ; attempt++) {
      const node = await RabbitMqNode.#create(options)
      try {
        await node.#live()
        return node
      } catch (error) {
        await node.stop()
        if (attempt === START_ATTEMPTS || !PORT_TAKEN.test(String(error))) throw error
      }
    }
  }

  static async #create(options: RabbitMqNodeOptions): Promise<RabbitMqNode> {
    const installation = await ensureInstallation()
    const directory = NodeDirectory.create()
    const reaper = new Reaper(directory)
    const { settings = {}, startTimeout = 60_000 } = options
    const tls = options.tls === true ? await NodeTls.create(directory) : undefined
    const launcher =
      installation.kind === 'local'
        ? await LocalLauncher.create(installation, directory, settings, tls)
        : await DockerLauncher.create(installation, directory, settings, tls)
    return new RabbitMqNode(launcher, directory, reaper, startTimeout, tls)
  }

  private constructor(
    launcher: NodeLauncher,
    directory: NodeDirectory,
    reaper: Reaper,
    startTimeout: number,
    tls: NodeTls | undefined,
  ) {
    this.#launcher = launcher
    this.#directory = directory
    this.#reaper = reaper
    this.#startTimeout = startTimeout
    this.#tls = tls
  }

  /** The same in every life of the node, as the port is. */
  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`
  }

  get port(): number {
    return this.#launcher.port
  }

  /** The listener with TLS; for nodes that were started with `tls`. */
  get tls(): NodeTls {
    if (this.#tls === undefined) throw new Error(`${this.name} was started without tls`)
    return this.#tls
  }

  /** The server's version, as 3.10.8. */
  get version(): string {
    return this.#version
  }

  /** The Erlang node's name; command lines of its processes bear the part before the @ sign. */
  get name(): string {
    return `${this.#directory.name}@localhost`
  }

  /** Whether the VM runs; a frozen one does. */
  get running(): boolean {
    return this.#life !== undefined
  }

  /** Stops in order (clients are told, 320) and removes all traces; any state, any number of times. */
  async stop(): Promise<void> {
    await this.#stopGracefully()
    await this.#launcher.release()
    this.#reaper.dismiss()
    this.#directory.remove()
  }

  /** SIGKILL: connections are reset by the kernel. The database stays, for restart(). */
  async kill(): Promise<void> {
    const vm = this.#life?.vm
    if (vm === undefined) return
    const exited = exitOf(vm)
    await this.#launcher.kill()
    await within(STOP_TIMEOUT_MS, `the end of ${this.name}, killed`, exited)
  }

  /** Stops in order, if it runs, and starts again on the same port with the same database. */
  async restart(): Promise<void> {
    await this.#stopGracefully()
    // The new VM belongs to whom the node belongs to, and not to the test that restarts a node of its suite.
    await keep('a later life of a node', () => this.#live())
  }

  /** SIGSTOP to the VM: connections stay open and silent, and the kernel accepts new ones. */
  async freeze(): Promise<void> {
    await this.#launcher.freeze()
    this.#frozen = true
  }

  /** SIGCONT: the node goes on where it was. */
  async thaw(): Promise<void> {
    await this.#launcher.thaw()
    this.#frozen = false
  }

  /** Raises the memory alarm: a connection that publishes is blocked. Resolves when the alarm is in force. */
  async block(): Promise<void> {
    await this.evaluate(`vm_memory_monitor:set_vm_memory_high_watermark(0), ${alarmBecomes(true)}`)
  }

  /** Takes the memory alarm back; resolves when it is. */
  async unblock(): Promise<void> {
    await this.evaluate(
      `{ok, Configured} = application:get_env(rabbit, vm_memory_high_watermark),
       vm_memory_monitor:set_vm_memory_high_watermark(Configured), ${alarmBecomes(false)}`,
    )
  }

  /** Closes every connection as an operator does: Connection.Close 320 with `text`. Resolves with how many. */
  async closeConnections(text: string): Promise<number> {
    const reason = Buffer.from(text).toString('base64')
    const answer = await this.evaluate(
      `Reason = unicode:characters_to_list(base64:decode("${reason}")),
       Connections = rabbit_networking:connections(),
       [rabbit_networking:close_connection(Connection, Reason) || Connection <- Connections],
       length(Connections)`,
    )
    return Number(answer)
  }

  /** Stops RabbitMQ in a VM that goes on, as `rabbitmqctl stop_app` does. */
  async stopApp(): Promise<void> {
    await this.evaluate('rabbit:stop()', this.#startTimeout)
  }

  /** Starts RabbitMQ again in its VM; resolves when it answers with Connection.Start. */
  async startApp(): Promise<void> {
    await this.evaluate('rabbit:start()', this.#startTimeout)
    await awaitConnectionStart(this.port, this.#startTimeout)
  }

  /** Runs `rabbitmqctl` with these arguments; resolves with what it printed, rejects when it fails. */
  ctl(...parameters: string[]): Promise<string> {
    return this.#launcher.ctl(parameters)
  }

  /** Evaluates Erlang expressions in the node: a binary comes back as it is, other values as Erlang writes them. */
  evaluate(expressions: string, timeoutMs?: number): Promise<string> {
    if (this.#life === undefined) return Promise.reject(new Error(`${this.name} does not run`))
    return this.#life.control.evaluate(expressions, timeoutMs)
  }

  /** One life of the VM: from its launch until it exits, for whatever reason. */
  async #live(): Promise<void> {
    const vm = await this.#launcher.launch()
    const life = { vm, control: new ControlChannel(vm) }
    this.#life = life
    this.#frozen = false
    const endLife = () => {
      if (this.#life === life) this.#life = undefined
    }
    vm.once('exit', endLife)
    vm.once('error', endLife)
    try {
      await within(this.#startTimeout, `start of ${this.name}`, life.control.ready)
      await awaitConnectionStart(this.port, this.#startTimeout)
      this.#version = await life.control.evaluate(
        '{ok, V} = application:get_key(rabbit, vsn), list_to_binary(V)',
      )
    } catch (error) {
      await this.kill()
      const printed = `${life.control.outputTail}\n${this.#directory.logTail()}`
      throw new Error(`${this.name} did not start: ${(error as Error).message}\n${printed}`, { cause: error })
    }
  }

  async #stopGracefully(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    if (this.#frozen) await this.thaw()
    const exited = exitOf(life.vm)
    life.control.evaluate('init:stop()').catch(() => {})
    try {
      await within(STOP_TIMEOUT_MS, `the end of ${this.name}, stopped`, exited)
    } catch {
      await this.kill()
    }
  }
}

/** Resolves when the process has exited; at once if it has. */
async function exitOf(vm: ChildProcessWithoutNullStreams): Promise<void> {
  if (vm.exitCode === null && vm.signalCode === null) await once(vm, 'exit')
}

/** An expression that returns when the node's memory alarm is set or cleared, and raises after five seconds. */
function alarmBecomes(inForce: boolean): string {
  return `Await = fun
    Await(0) -> error(alarm_did_not_change);
    Await(Attempts) ->
      case lists:any(fun({{resource_limit, memory, _}, _}) -> true; (_) -> false end, rabbit_alarm:get_alarms()) of
        ${inForce} -> ok;
        _ -> timer:sleep(5), Await(Attempts - 1)
      end
    end, Await(1000)`
}
