import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../support/rabbitmq/project-root.js'

/** What npm takes to start on a busy machine. */
const SLOW_MS = 60_000
/** Compressed, the sources and their maps with it; so that something large does not slip in unseen. */
const TARBALL_OCTETS_MAX = 600_000

const root = projectRoot()
const program = (name: string, ...path: string[]) => join(root, 'node_modules', name, ...path)
const TSC = program('typescript', 'bin', 'tsc')

/** Runs a script with Node and gives what it printed, or fails with it. */
function run(directory: string, ...parameters: string[]): string {
  return runProgram(process.execPath, directory, parameters)
}

function runNpm(directory: string, ...parameters: string[]): string {
  const script = process.env['npm_execpath']
  if (script !== undefined) return run(directory, script, ...parameters)
  return runProgram('npm', directory, parameters)
}

function runProgram(file: string, directory: string, parameters: readonly string[]): string {
  const { NODE_OPTIONS: _, ...env } = process.env
  const shell = file === 'npm' && process.platform === 'win32'
  const result = spawnSync(file, parameters, {
    cwd: directory,
    encoding: 'utf8',
    env,
    timeout: SLOW_MS,
    shell,
  })
  const output = `${result.stdout}${result.stderr}`
  expect(result.status, `${file} ${parameters.join(' ')}\n${result.error?.message ?? ''}${output}`).to.equal(
    0,
  )
  return output
}

interface PackedFile {
  readonly path: string
  readonly size: number
}

interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly PackedFile[]
}

describe('The packed package', function () {
  this.timeout(SLOW_MS)
  let directory: string
  let packed: Packed
  let tarball: string
  let user: string

  /** Writes a file of the user's and gives its name. */
  const write = (name: string, text: string) => {
    writeFileSync(join(user, name), text)
    return name
  }

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'thump-package-'))
    // The build of this run is packed as it is: `npm test` has just made it anew.
    const answer = runNpm(
      root,
      'pack',
      '--json',
      '--ignore-scripts',
      '--loglevel=error',
      '--pack-destination',
      directory,
    )
    ;[packed] = JSON.parse(answer) as [Packed]
    tarball = join(directory, packed.filename)
    user = join(directory, 'user')
    mkdirSync(user)
    write('package.json', '{ "name": "user", "private": true, "version": "1.0.0" }')
    runNpm(user, 'install', tarball, '--offline', '--no-audit', '--no-fund', '--loglevel=error')
    // Not a part of the package: what a TypeScript user of Node has anyway.
    mkdirSync(join(user, 'node_modules', '@types'))
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(program(name), join(user, 'node_modules', name), 'junction')
    }
  })

  after(() => rmSync(directory, { recursive: true, force: true }))

  it('depends on nothing', () => {
    const manifest = JSON.parse(readFileSync(join(user, 'node_modules', 'thump', 'package.json'), 'utf8'))
    for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundleDependencies']) {
      expect(manifest[kind] ?? {}, kind).to.be.empty
    }
    expect(manifest.scripts?.install ?? manifest.scripts?.postinstall).to.equal(undefined)
    const installed = readdirSync(join(user, 'node_modules')).filter(name => !name.startsWith('.'))
    expect(installed).to.have.members(['thump', '@types', 'undici-types'])
  })

  it('holds the build, its sources and the papers, and no test and nothing of the workshop', () => {
    const paths = packed.files.map(file => file.path)
    expect(paths).to.include.members([
      'package.json',
      'LICENSE',
      'dist/index.js',
      'dist/index.d.ts',
      'src/index.ts',
    ])
    const others = paths.filter(
      path =>
        !/^((dist|src)\/[\w/-]+\.(js|d\.ts|ts|js\.map|d\.ts\.map)|docs\/[\w-]+\.(md|svg)|examples\/[\w-]+\.(js|json))$/.test(
          path,
        ),
    )
    expect(others)
      .to.be.an('array')
      .that.satisfies(
        (names: string[]) =>
          names.every(name => /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|SECURITY\.md)$/.test(name)),
        others.join(', '),
      )
    expect(
      paths.filter(path => /test|build\/|\.tsbuildinfo/.test(path) && !path.includes('/testing/')),
    ).to.deep.equal([])
  })

  it('holds, for every source, its JavaScript, its types and their maps', () => {
    const paths = new Set(packed.files.map(file => file.path))
    const sources = [...paths].filter(path => path.startsWith('src/'))
    expect(sources).not.to.be.empty
    for (const source of sources) {
      const stem = source.replace(/^src/, 'dist').replace(/\.ts$/, '')
      for (const end of ['.js', '.js.map', '.d.ts', '.d.ts.map']) expect([...paths]).to.include(stem + end)
    }
    expect(paths.size).to.be.at.least(sources.length * 5)
  })

  it('is small', () => {
    const { size } = statSync(tarball)
    const bare = packed.files
      .filter(file => /^dist\/.*\.js$/.test(file.path))
      .reduce((sum, file) => sum + file.size, 0)
    const sizes = `${kib(size)} packed, ${kib(packed.unpackedSize)} unpacked, ${kib(bare)} of JavaScript`
    process.stdout.write(`    thump: ${sizes}, ${packed.files.length} files\n`)
    expect(size).to.be.at.most(TARBALL_OCTETS_MAX)
  })

  it('can be imported', () => {
    const script = write('use.mjs', "import { connect } from 'thump'\nconsole.log(typeof connect)\n")
    expect(run(user, script).trim()).to.equal('function')
  })

  it('can be required, and is then the same instance', () => {
    const script = write(
      'use.cjs',
      "const { connect } = require('thump')\nimport('thump').then(thump => console.log(thump.connect === connect))\n",
    )
    expect(run(user, '--no-warnings', script).trim()).to.equal('true')
  })

  it('tells its version to those who ask its package.json', () => {
    const script = write('version.cjs', "console.log(require('thump/package.json').name)\n")
    expect(run(user, script).trim()).to.equal('thump')
  })

  it('hides its inside', () => {
    const script = write(
      'inside.mjs',
      "import('thump/dist/index.js').catch(error => console.log(error.code))\n",
    )
    expect(run(user, script).trim()).to.equal('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    it(`has types for TypeScript with ${moduleResolution} resolution, also for require`, () => {
      const use =
        "import { connect } from 'thump'\nexport const connection: ReturnType<typeof connect> = connect('amqp://localhost')\n"
      const files = [write(`use-${moduleResolution}.mts`, use), write(`use-${moduleResolution}.cts`, use)]
      const configuration = write(
        `tsconfig.${moduleResolution}.json`,
        JSON.stringify({
          compilerOptions: {
            module,
            moduleResolution,
            target: 'es2023',
            types: ['node'],
            strict: true,
            noEmit: true,
          },
          files,
        }),
      )
      run(user, TSC, '-p', configuration)
    })
  }

  it('has types that refuse what they should', () => {
    const file = write(
      'misuse.mts',
      "import { connect } from 'thump'\nexport const connection: number = connect('amqp://localhost')\n",
    )
    const options = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--strict', '--noEmit']
    const result = spawnSync(process.execPath, [TSC, ...options, file], { cwd: user, encoding: 'utf8' })
    expect(result.stdout).to.match(/misuse\.mts\(2,14\): error TS2322/)
  })

  it('satisfies publint', () => {
    run(root, program('publint', 'src', 'cli.js'), 'run', tarball, '--strict')
  })

  it('satisfies are-the-types-wrong, for packages that are ES modules only', () => {
    const cli = program('@arethetypeswrong', 'cli', 'dist', 'index.js')
    // Without --no-definitely-typed it would look for @types/thump in the registry.
    run(root, cli, tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-color', '--no-emoji')
  })

  it('has source maps that find their sources', () => {
    const from = join(user, 'node_modules', 'thump', 'dist')
    const map = JSON.parse(readFileSync(join(from, 'index.js.map'), 'utf8')) as { sources: string[] }
    expect(map.sources.map(source => statSync(join(from, source)).isFile())).to.deep.equal([true])
  })
})

function kib(octets: number): string {
  return `${(octets / 1024).toFixed(1)} KiB`
}
