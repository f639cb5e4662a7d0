import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { hex, toHex } from './hex.js'
import { until, within } from './rabbitmq/deadline.js'
import {
  needsControl,
  RabbitMqNode,
  sharedBroker,
  sharedNode,
  sharedVersion,
  stopSharedBroker,
} from './rabbitmq/index.js'
import { ensureInstallation } from './rabbitmq/installation.js'
import { NodeDirectory } from './rabbitmq/node-directory.js'
import { commandLineOf, startTimeOf } from './rabbitmq/process-identity.js'
import { projectRoot } from './rabbitmq/project-root.js'
import { sweepAbandonedNodes } from './rabbitmq/sweep.js'

/** Protocol header, Start-Ok (PLAIN guest/guest), Tune-Ok (2047, 131072, 60), Open "/": the server takes them at once. */
const HANDSHAKE = hex`414d515000000901
  01000000000043000a000b0000001f0c6361706162696c6974696573460000000d0a62617369632e6e61636b740105504c41494e0000000c
  00677565737400677565737405656e5f5553ce
  0100000000000c000a001f07ff00020000003cce
  01000000000008000a0028012f0000ce`
const OPEN_OK = '01000000000005000a002900ce'
const PROTOCOL_HEADER = HANDSHAKE.subarray(0, 8)
const CLOSE_BYE = '01000000000022000a0032014017434f4e4e454354494f4e5f464f52434544202d2062796500000000ce'

/** Of a machine that is busy with other tests; on an idle one a node starts in 3 to 4 s. */
const SLOW = 60_000

const SILENCE_MS = 300

describe('RabbitMqNode', function () {
  this.timeout(SLOW)
  let node: RabbitMqNode

  before(async function () {
    needsControl(this)
    node = await RabbitMqNode.start()
  })

  after(async () => {
    await node?.stop()
  })

  it('starts a node of its own that says its version', async () => {
    expect(node.url).to.equal(`amqp://guest:guest@127.0.0.1:${node.port}`)
    expect(node.port).not.to.equal(5672)
    expect(node.version).to.match(/^\d+\.\d+\.\d+/)
    expect(await node.ctl('-q', 'list_vhosts')).to.include('/')
  })

  it('listens on loopback only', async function () {
    await needsLocalProcesses(this)
    const listening = await node.evaluate(
      '[Address || {listener, _, amqp, _, Address, _, _} <- rabbit_networking:active_listeners()]',
    )
    expect(listening).to.equal('[{127,0,0,1}]')
  })

  it('answers rabbitmqctl, and says why it failed', async () => {
    expect(await node.ctl('-q', 'eval', '1 + 1.')).to.equal('2\n')
    const failure = await node.ctl('no_such_command').catch((error: Error) => error)
    expect(failure).to.be.an('error').with.property('message').that.includes('no_such_command')
  })

  it('evaluates Erlang fast, concurrently, and rejects with what an expression raises', async () => {
    const slow = node.evaluate('timer:sleep(100), slow')
    expect(await node.evaluate('<<"text ü"/utf8>>')).to.equal('text ü')
    expect(await node.evaluate('X = [1, {two, "3"}], X')).to.equal('[1,{two,"3"}]')
    expect(await slow).to.equal('slow')
    const failure = await node.evaluate('error(badly)').catch((error: Error) => error)
    expect(failure).to.be.an('error').with.property('message', 'error: badly')
  })

  it('is silent while it is frozen, and goes on when thawed', async () => {
    await node.freeze()
    const socket = connect({ port: node.port, host: '127.0.0.1' })
    const received = collect(socket)
    await once(socket, 'connect')
    socket.write(PROTOCOL_HEADER)
    await new Promise(resolve => setTimeout(resolve, SILENCE_MS))
    expect(received()).to.equal('')
    await node.thaw()
    await until(5_000, 'Connection.Start after the thaw', () => received().includes('000a000a'))
    socket.destroy()
  })

  it('raises its memory alarm and takes it back', async () => {
    await node.block()
    expect(await node.evaluate('rabbit_alarm:get_alarms()')).to.include('resource_limit,memory')
    await node.unblock()
    expect(await node.evaluate('rabbit_alarm:get_alarms()')).to.equal('[]')
  })

  it('closes connections as an operator, with a text', async () => {
    const { socket, received } = await openConnection(node)
    expect(await node.closeConnections('bye')).to.equal(1)
    await until(5_000, 'Connection.Close', () => received().endsWith(CLOSE_BYE))
    socket.destroy()
  })

  it('stops and starts the application in a VM that goes on', async () => {
    const before = await node.evaluate('os:getpid()')
    await node.stopApp()
    await expectRefused(node.port)
    await node.startApp()
    expect(await node.evaluate('os:getpid()')).to.equal(before)
  })

  it('keeps its durable state and its port over a restart', async () => {
    const { port } = node
    await node.ctl('add_vhost', 'kept-over-restart')
    await node.restart()
    expect(node.port).to.equal(port)
    expect(await node.ctl('-q', 'list_vhosts')).to.include('kept-over-restart')
  })

  it('resets connections when it is killed, leaves no process of the VM, and starts again', async function () {
    await needsLocalProcesses(this)
    const { socket } = await openConnection(node)
    const failed = once(socket, 'error')
    const vm = await node.evaluate('os:getpid()')
    await node.kill()
    const [error] = await within(5_000, 'a reset', failed)
    expect(error).to.have.property('code', 'ECONNRESET')
    expect(node.running).to.equal(false)
    await expectRefused(node.port)
    await until(5_000, 'the end of the VM and its helpers', () => processesOf(node).every(isNotOfTheVm))
    await node.restart()
    expect(await node.evaluate('os:getpid()')).not.to.equal(vm)
  })

  it('runs beside another node, with settings of its own, and leaves nothing behind when stopped', async function () {
    await needsLocalProcesses(this)
    const other = await RabbitMqNode.start({ settings: { heartbeat: 7 } })
    expect(other.port).not.to.equal(node.port)
    expect(await other.evaluate('application:get_env(rabbit, heartbeat)')).to.equal('{ok,7}')
    await other.freeze()
    await other.stop()
    expect(existsSync(directoryOf(other))).to.equal(false)
    await until(5_000, 'the end of all processes of a stopped node', () => processesOf(other).length === 0)
    await other.stop()
    await node.evaluate('still_here')
  })

  it('rejects with the tail of the log when it cannot start', async () => {
    const failure = await RabbitMqNode.start({ settings: { heartbeat: 'often' } }).catch(
      (error: Error) => error,
    )
    expect(failure)
      .to.be.an('error')
      .with.property('message')
      .that.includes('did not start')
      .and.includes('often')
  })
})

describe('RabbitMqNode of a test process that was killed', function () {
  this.timeout(SLOW)

  it('is ended by its reaper, even while it is frozen, and its directory is removed', async function () {
    needsControl(this)
    await needsLocalProcesses(this)
    const { child, name } = await startOwner()
    const directory = join(tmpdir(), name)
    expect(processesNamed(name)).to.have.length.above(1)
    child.kill('SIGKILL')
    await until(
      10_000,
      `the end of ${name}`,
      () => processesNamed(name).length === 0 && !existsSync(directory),
    )
  })
})

describe('sweepAbandonedNodes', () => {
  const children: ChildProcess[] = []

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  /** A process that bears a name on its command line, as a node's do. */
  function sleepAs(name: string): number {
    const child = spawn('sleep', ['60'], { argv0: `sleep-of-${name}`, stdio: 'ignore' })
    children.push(child)
    if (child.pid === undefined) throw new Error('no process')
    return child.pid
  }

  async function abandonedDirectory(): Promise<NodeDirectory> {
    const directory = NodeDirectory.create()
    const owner = spawn('true')
    await once(owner, 'exit')
    directory.write('state', `owner ${owner.pid} 1\n`)
    return directory
  }

  it('kills the recorded processes of a dead run and removes its directory', async () => {
    const directory = await abandonedDirectory()
    const pid = sleepAs(directory.name)
    directory.recordProcess(pid)
    await sweepAbandonedNodes()
    expect(startTimeOf(pid)).to.equal(undefined)
    expect(existsSync(directory.path)).to.equal(false)
  })

  it('kills no process that was given the number of a recorded one', async () => {
    const directory = await abandonedDirectory()
    const pid = sleepAs('somebody-else')
    directory.recordProcess(pid)
    await sweepAbandonedNodes()
    expect(commandLineOf(pid)).to.include('somebody-else')
    expect(existsSync(directory.path)).to.equal(false)
  })

  it('leaves alone what belongs to a run that lives', async () => {
    const directory = NodeDirectory.create()
    const pid = sleepAs(directory.name)
    directory.recordProcess(pid)
    await sweepAbandonedNodes()
    expect(commandLineOf(pid)).to.include(directory.name)
    expect(existsSync(directory.path)).to.equal(true)
    directory.remove()
  })
})

describe('ensure-rabbitmq', () => {
  const script = join(projectRoot(), 'scripts', 'ensure-rabbitmq.js')

  it('prints where the server is', async function () {
    needsControl(this)
    await needsLocalProcesses(this)
    const { stdout, status } = spawnSync(process.execPath, [script, '--json'], { encoding: 'utf8' })
    expect(status).to.equal(0)
    const installation = await ensureInstallation()
    expect(JSON.parse(stdout)).to.deep.equal(installation)
    expect(installation.version).to.match(/^\d+\.\d+\.\d+/)
  })

  describe('asked for RabbitMQ 4', () => {
    const ask = (series: string, env: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, [script, '--series', series, '--json'], { encoding: 'utf8', env })

    /** As an earlier run would have left it in that cache. */
    function unpack(cache: string, { layout = 1, root = cache } = {}): object {
      const server = join(root, 'rabbitmq-4', 'server')
      const installation = { kind: 'local', version: '4.9.9', server }
      mkdirSync(join(cache, 'rabbitmq-4'))
      writeFileSync(join(cache, 'rabbitmq-4', 'server'), '')
      writeFileSync(join(cache, 'rabbitmq-4', 'installation.json'), JSON.stringify({ layout, installation }))
      return installation
    }

    let cache: string

    beforeEach(() => {
      cache = mkdtempSync(join(tmpdir(), 'thump-cache-'))
    })

    afterEach(() => rmSync(cache, { recursive: true }))

    it('prints the one that an earlier run unpacked', () => {
      const installation = unpack(cache)
      const { stdout, status } = ask('4', { PATH: '', THUMP_CACHE: cache })
      expect(status).to.equal(0)
      expect(JSON.parse(stdout)).to.deep.equal(installation)
    })

    it('takes none that was moved, is laid out otherwise or is not whole', () => {
      for (const options of [{ root: '/elsewhere' }, { layout: 0 }]) {
        unpack(cache, options)
        expect(ask('4', { PATH: '', THUMP_CACHE: cache }).status, JSON.stringify(options)).to.equal(1)
        rmSync(join(cache, 'rabbitmq-4'), { recursive: true })
      }
      unpack(cache)
      rmSync(join(cache, 'rabbitmq-4', 'installation.json'))
      expect(ask('4', { PATH: '', THUMP_CACHE: cache }).status).to.equal(1)
    })

    it('says in one line what would be needed where there is none to be had', () => {
      const { stderr, status } = ask('4', { PATH: '', THUMP_CACHE: cache })
      expect(status).to.equal(1)
      expect(stderr).to.match(/^No RabbitMQ 4 found: install one, .* \(.*\)\.\n$/)
    })

    it('knows no other series', () => {
      const { stderr, status } = ask('5', { PATH: '' })
      expect(status).to.equal(1)
      expect(stderr).to.equal("The tests know RabbitMQ of series 4 or of any, not '5'.\n")
    })
  })

  it('says in one line what to install where there is nothing to be had', () => {
    const { stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8', env: { PATH: '' } })
    expect(status).to.equal(1)
    expect(stderr).to.match(/^No RabbitMQ server found: install .*\n$/)
  })
})

describe('sharedBroker', function () {
  this.timeout(SLOW)
  const url = process.env['AMQP_URL']

  beforeEach(stopSharedBroker)

  afterEach(async () => {
    await stopSharedBroker()
    if (url === undefined) delete process.env['AMQP_URL']
    else process.env['AMQP_URL'] = url
  })

  it('is one node of ours for everybody, until it is stopped', async function () {
    needsControl(this)
    const [broker, same] = await Promise.all([sharedBroker(), sharedBroker()])
    expect(same).to.equal(broker)
    expect(broker.url).to.equal(broker.node?.url)
    expect(await sharedNode(this)).to.equal(broker.node)
    await stopSharedBroker()
    expect(broker.node?.running).to.equal(false)
  })

  it('says its version, also one that AMQP_URL names', async function () {
    needsControl(this)
    const node = await RabbitMqNode.start()
    try {
      process.env['AMQP_URL'] = node.url
      expect(await sharedVersion()).to.equal(node.version)
    } finally {
      await node.stop()
    }
  })

  it('is the broker that AMQP_URL names, which is not ours', async () => {
    process.env['AMQP_URL'] = 'amqp://broker.example'
    expect(await sharedBroker()).to.deep.equal({ url: 'amqp://broker.example' })
  })

  it('skips a test that needs control of the broker AMQP_URL names, and says why', () => {
    process.env['AMQP_URL'] = 'amqp://broker.example'
    const test = { type: 'test', title: 'freezes' }
    let skipped = 0
    const context = { test, skip: () => skipped++ } as unknown as Mocha.Context
    needsControl(context)
    expect(skipped).to.equal(1)
    expect(test.title).to.equal('freezes (skipped: AMQP_URL names a broker that is not ours to control)')
  })

  it('skips nothing when AMQP_URL is not set', () => {
    delete process.env['AMQP_URL']
    needsControl({ skip: () => expect.fail('skipped') } as unknown as Mocha.Context)
  })
})

/** Skips a test that looks at processes: those of a container are not ours to see, and only Linux shows all of one. */
async function needsLocalProcesses(context: Mocha.Context): Promise<void> {
  const { kind } = await ensureInstallation()
  if (kind !== 'local' || !existsSync('/proc')) context.skip()
}

/** Everything received so far, in hexadecimal digits. */
function collect(socket: Socket): () => string {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  return () => toHex(Buffer.concat(chunks))
}

async function openConnection(node: RabbitMqNode): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect({ port: node.port, host: '127.0.0.1' })
  const received = collect(socket)
  socket.write(HANDSHAKE)
  await until(5_000, 'Connection.Open-Ok', () => received().endsWith(OPEN_OK))
  return { socket, received }
}

async function expectRefused(port: number): Promise<void> {
  const [error] = await within(5_000, 'a refusal', once(connect({ port, host: '127.0.0.1' }), 'error'))
  expect(error).to.have.property('code', 'ECONNREFUSED')
}

/** Another process that owns a frozen node, as a test run would. */
async function startOwner(): Promise<{ child: ChildProcess; name: string }> {
  const program = `
    import { RabbitMqNode } from ${JSON.stringify(new URL('./rabbitmq/index.js', import.meta.url).href)}
    const node = await RabbitMqNode.start()
    await node.freeze()
    process.stdout.write(node.name)
    setInterval(() => {}, 60_000)`
  const parameters = ['--input-type=module', '--eval', program]
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [name] = await within(SLOW, 'a node of another process', once(child.stdout, 'data'))
  return { child, name: directoryName(String(name)) }
}

function directoryOf(node: RabbitMqNode): string {
  return join(tmpdir(), directoryName(node.name))
}

function processesOf(node: RabbitMqNode): number[] {
  return processesNamed(directoryName(node.name))
}

/** The part of an Erlang node's name before the @ sign. */
function directoryName(nodeName: string): string {
  return nodeName.split('@')[0] ?? ''
}

/** The node's port mapper and its reaper live as long as the node, which may have many VMs. */
function isNotOfTheVm(pid: number): boolean {
  return /thump-rabbitmq-\w+\/epmd |thump-reaper/.test(commandLineOf(pid) ?? '')
}

/** Processes that have a node's name on their command line or, as the VM's helpers, in their environment. */
function processesNamed(name: string): number[] {
  const ids = readdirSync('/proc').filter(entry => /^\d+$/.test(entry) && Number(entry) !== process.pid)
  return ids.filter(id => ['cmdline', 'environ'].some(file => readProc(id, file).includes(name))).map(Number)
}

function readProc(id: string, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
