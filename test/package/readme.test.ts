import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import * as thump from '../../src/index.js'
import { AmqpError, ArgumentError, connect } from '../../src/index.js'
import { type RabbitMqNode, sharedNode } from '../support/rabbitmq/index.js'
import { projectRoot } from '../support/rabbitmq/project-root.js'
import { programOf } from './documentation/block-program.js'
import { type CodeBlock, codeBlocks } from './documentation/code-block.js'
import { RunningProgram } from './documentation/running-program.js'
import { addVirtualHost, deleteVirtualHost } from './documentation/virtual-host.js'

const SLOW_MS = 60_000
/** What the programs of the pages take, on a busy machine. */
const PROGRAM_ENDS_WITHIN_MS = 15_000
/** What runs on until it is asked to end is given this long, and is then asked. */
const RUNS_ON_MS = 2_000

const root = projectRoot()
const read = (page: string) => readFileSync(join(root, page), 'utf8')
const PAGES = [
  ...['README.md', 'CHANGELOG.md', 'SECURITY.md'],
  ...readdirSync(join(root, 'docs')).map(name => `docs/${name}`),
]
const BLOCKS = PAGES.flatMap(page => codeBlocks(page, read(page)))
const PROGRAMS = BLOCKS.filter(block => block.isProgram)
/** Below the project, where 'thump' is the project itself, as built. */
const DIRECTORY = join(root, 'build', 'documentation')
const TSC = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

describe('The code of the documentation', function () {
  this.timeout(SLOW_MS)
  let node: RabbitMqNode
  let compilation: { readonly status: number | null; readonly stdout: string }
  let program: RunningProgram | undefined

  const run = (block: CodeBlock): RunningProgram => {
    program = new RunningProgram(block.fileName.replace(/^(.*)\.ts$/, 'out/$1.js'), DIRECTORY)
    return program
  }

  before(async function () {
    node = await sharedNode(this)
    rmSync(DIRECTORY, { recursive: true, force: true })
    mkdirSync(DIRECTORY, { recursive: true })
    writeFileSync(join(DIRECTORY, 'ca.pem'), node.tls.authority.cert)
    writeFileSync(join(DIRECTORY, 'tsconfig.json'), JSON.stringify(USERS_CONFIGURATION))
    for (const [index, block] of PROGRAMS.entries()) {
      await addVirtualHost(node, virtualHost(index))
      const [url, tlsUrl] = [node.url, node.tls.url].map(each => `${each}/${virtualHost(index)}`)
      const addresses = { url: url as string, tlsUrl: tlsUrl as string }
      writeFileSync(join(DIRECTORY, block.fileName), programOf(block, addresses))
    }
    compilation = spawnSync(process.execPath, [TSC, '-p', DIRECTORY], { encoding: 'utf8' })
  })

  afterEach(() => program?.kill())

  after(async () => {
    if (node !== undefined) {
      for (const index of PROGRAMS.keys()) await deleteVirtualHost(node, virtualHost(index))
    }
    rmSync(DIRECTORY, { recursive: true, force: true })
  })

  it('is there', () => {
    expect(PROGRAMS.length).to.be.at.least(15)
    expect(PROGRAMS.filter(block => block.prints.length > 0).length).to.be.at.least(10)
  })

  it('is marked as a program, or as what is none', () => {
    const others = BLOCKS.filter(block => !['ts', 'js', 'sh', 'text'].includes(block.language))
    expect(others.map(block => block.name)).to.deep.equal([])
  })

  it('passes the type checker, against the types of the package', () => {
    expect(compilation.stdout).to.equal('')
    expect(compilation.status).to.equal(0)
  })

  for (const block of PROGRAMS) {
    it(`runs: ${block.name}`, async () => {
      const program = run(block)
      // A server's example runs on until it is asked to end, and ends in order then.
      if (!(await program.endsWithin(RUNS_ON_MS))) program.terminate()
      const { code, signal, output } = await program.outcome(PROGRAM_ENDS_WITHIN_MS)
      expect({ code, signal }, output).to.deep.equal({ code: 0, signal: null })
      let rest = output
      for (const text of block.prints) {
        expect(rest).to.include(text)
        rest = rest.slice(rest.indexOf(text) + text.length)
      }
    })
  }

  it('comes back: the loop that reconnects, when an operator closes its connection', async () => {
    const loops = PROGRAMS.filter(block => block.text.includes('for (let failures = 0;'))
    expect(loops).to.have.length(1)
    const program = run(loops[0] as CodeBlock)
    await program.printed(/connected\n/, PROGRAM_ENDS_WITHIN_MS)
    expect(await node.closeConnections('a test')).to.equal(1)
    await program.printed(
      /connected\nclosed by the server: 320 .*a test.*\nconnected\n/,
      PROGRAM_ENDS_WITHIN_MS,
    )
    program.terminate()
    const { code, output } = await program.outcome(PROGRAM_ENDS_WITHIN_MS)
    expect(code, output).to.equal(0)
    expect(output).to.match(/connected\nclosed by the application\n$/)
  })
})

describe('The documentation', () => {
  it('leads nowhere that is not there', () => {
    const links = PAGES.flatMap(page =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)].map(match => ({
        page,
        target: match[1] ?? '',
      })),
    )
    expect(links).not.to.be.empty
    const broken = links.filter(({ page, target }) => !existsSync(join(root, dirname(page), target)))
    expect(broken).to.deep.equal([])
  })

  it('names only scripts of npm that are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = PAGES.flatMap(page => [...read(page).matchAll(/npm run ([\w:]+)/g)].map(match => match[1]))
    expect(named).not.to.be.empty
    expect(Object.keys(scripts)).to.include.members(named)
  })

  it('begins with a page of less than 250 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).to.be.below(250)
  })

  it('lists every error with its code', () => {
    const page = read('docs/errors.md')
    const classes = Object.values(thump)
      .filter(value => typeof value === 'function')
      .filter(value => value === ArgumentError || value.prototype instanceof AmqpError)
    expect(classes.length).to.be.above(10)
    for (const { name } of classes) {
      const code = new RegExp(`class ${name} extends \\w+ {[^}]*? code[^=]* = '(\\w+)'`).exec(sources())?.[1]
      expect(page).to.include(`\n| \`${name}\` | \`${code}\` |`)
    }
  })

  it('shows every method of a channel in code that runs', () => {
    const declarations = read('dist/connection/channel.d.ts')
    const methods = new Set([...declarations.matchAll(/^ {4}(\w+)\(/gm)].map(match => match[1] ?? ''))
    methods.delete('constructor')
    expect(methods).to.include.members(['queueDeclare', 'txRollback'])
    const code = BLOCKS.filter(block => block.page === 'docs/channel.md' && block.isProgram)
    const text = code.map(block => block.text).join('\n')
    for (const method of methods) expect(text).to.match(new RegExp(`\\.${method}\\(`), method)
  })

  it('lists every option of connect, and no other', async () => {
    const error = await connect({ noSuchOption: 1 } as object).then(
      () => undefined,
      (reason: Error) => reason,
    )
    const known = /known are (.*)$/.exec(error?.message ?? '')?.[1]?.split(', ') ?? []
    expect(known).to.include('heartbeat')
    const section = read('docs/options.md').split('\n## ')[1] ?? ''
    const rows = section.split('\n').filter(row => row.startsWith('| `'))
    const listed = rows.flatMap(row =>
      [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(match => match[1]),
    )
    expect(listed).to.have.members(known)
  })

  it('has a change log that knows this version', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string }
    expect(read('CHANGELOG.md')).to.include(`## [${version}]`)
  })
})

/** What a careful user has. */
const USERS_CONFIGURATION = {
  compilerOptions: {
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    rootDir: '.',
    outDir: 'out',
  },
  include: ['*.ts'],
}

/** One for each program. */
function virtualHost(index: number): string {
  return `documentation-${index}`
}

function sources(): string {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return files
    .filter(file => file.endsWith('.ts'))
    .map(file => read(`src/${file}`))
    .join('\n')
}
