import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { CodeBlock } from '../package/documentation/code-block.js'
import { type Outcome, RunningProgram } from '../package/documentation/running-program.js'
import { addVirtualHost, deleteVirtualHost } from '../package/documentation/virtual-host.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { projectRoot } from '../support/rabbitmq/project-root.js'

const SLOW_MS = 60_000
/** What an example takes, on a busy machine. */
const ENDS_WITHIN_MS = 20_000

/** What runs until it is asked to end, and what it has printed when it may be asked. */
const RUN_ON: Readonly<Record<string, RegExp>> = {
  'rpc-server.js': /ready\n/,
  'worker.js': /is done\n/,
}
/** What needs another example at its side. */
const BESIDE: Readonly<Record<string, string>> = { 'rpc-client.js': 'rpc-server.js' }

const root = projectRoot()
const DIRECTORY = join(root, 'examples')
const TSC = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const NAMES = readdirSync(DIRECTORY).filter(name => name.endsWith('.js'))
const EXAMPLES = NAMES.map(
  name => new CodeBlock(`examples/${name}`, 1, 'js', readFileSync(join(DIRECTORY, name), 'utf8')),
)
const nameOf = (example: CodeBlock) => example.page.replace('examples/', '')

describe('An example', function () {
  this.timeout(SLOW_MS)
  let node: RabbitMqNode
  const programs: RunningProgram[] = []
  let number = 0

  before(async function () {
    node = await sharedNode(this)
  })

  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill()
    await deleteVirtualHost(node, virtualHost())
  })

  const virtualHost = () => `example-${number}`

  function start(name: string): RunningProgram {
    const program = new RunningProgram(name, DIRECTORY, {
      AMQP_URL: `${node.url}/${virtualHost()}`,
      AMQPS_URL: `${node.tls.url}/${virtualHost()}`,
      CA_FILE: node.tls.cacertfile,
    })
    programs.push(program)
    return program
  }

  /** Those that run on are asked to end once they have shown what they do. */
  async function end(name: string, program: RunningProgram): Promise<Outcome> {
    const shown = RUN_ON[name]
    if (shown !== undefined) {
      await program.printed(shown, ENDS_WITHIN_MS)
      program.terminate()
    }
    return await program.outcome(ENDS_WITHIN_MS)
  }

  /** The queues and exchanges of its own that it has not deleted. */
  async function leftBehind(): Promise<string> {
    const host = `<<"${virtualHost()}">>`
    return await node.evaluate(`[Name || {resource, _, _, Name} <-
      rabbit_amqqueue:list_names(${host}) ++ [element(2, X) || X <- rabbit_exchange:list(${host})],
      Name =/= <<>>, not lists:prefix("amq.", binary_to_list(Name))]`)
  }

  for (const example of EXAMPLES) {
    const name = nameOf(example)
    it(`does what it says: ${name}`, async () => {
      number++
      await addVirtualHost(node, virtualHost())
      const beside = BESIDE[name]
      if (beside !== undefined) await start(beside).printed(RUN_ON[beside] as RegExp, ENDS_WITHIN_MS)

      const { code, signal, output } = await end(name, start(name))

      expect({ code, signal }, output).to.deep.equal({ code: 0, signal: null })
      expect(example.prints).not.to.be.empty
      let rest = output
      for (const text of example.prints) {
        expect(rest).to.include(text)
        rest = rest.slice(rest.indexOf(text) + text.length)
      }
      if (name !== 'rpc-server.js' && beside === undefined) expect(await leftBehind()).to.equal('[]')
    })
  }
})

describe('The examples', function () {
  this.timeout(SLOW_MS)

  it('are there', () => {
    expect(NAMES).to.have.length.above(10)
    expect(NAMES).to.include.members([...Object.keys(RUN_ON), ...Object.keys(BESIDE)])
  })

  it('pass the type checker, against the types of the package', () => {
    const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', DIRECTORY], { encoding: 'utf8' })
    expect(stdout).to.equal('')
    expect(status).to.equal(0)
  })

  it('begin by saying what they show, and are short', () => {
    for (const { name, text } of EXAMPLES) {
      expect(text, name).to.match(/^\/\/ @ts-check\n\/\/ [A-Z]/)
      expect(text.split('\n').length, name).to.be.below(70)
    }
  })

  it('are each mentioned by the documentation', () => {
    const pages = ['README.md', ...readdirSync(join(root, 'docs')).map(name => `docs/${name}`)]
    const text = pages.map(page => readFileSync(join(root, page), 'utf8')).join('\n')
    for (const name of NAMES) expect(text).to.include(`examples/${name})`)
  })
})
