import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { until } from '../support/rabbitmq/deadline.js'
import { startTimeOf } from '../support/rabbitmq/process-identity.js'
import { projectRoot } from '../support/rabbitmq/project-root.js'

interface Outcome {
  readonly status: number | null
  readonly isLate: boolean
  readonly output: string
}

interface ProcessTree {
  runNode(
    parameters: readonly string[],
    options: { deadlineMs?: number; quiet?: boolean; look?: (text: string) => void },
  ): Promise<Outcome>
}

interface Secrets {
  readonly MARK: string
  readonly SecretWatch: new () => {
    readonly leaks: readonly string[]
    look(text: string, who: string): void
  }
}

interface Packages {
  findDifference(root: string): string | undefined
}

const script = (name: string) => join(projectRoot(), 'scripts', name)
const load = async <T>(name: string) => (await import(pathToFileURL(script(name)).href)) as T

/** Programs are started, and some of them wait for a deadline or a grace period. */
const SLOW_MS = 60_000

describe('The run of the tests', function () {
  this.timeout(SLOW_MS)
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'thump-run-'))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function write(name: string, text: string): string {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return path
  }

  describe('runs a program', () => {
    let runNode: ProcessTree['runNode']
    before(async () => {
      ;({ runNode } = await load<ProcessTree>('process-tree.js'))
    })

    it('to its end, and tells its status and what it printed', async () => {
      const file = write('three.cjs', 'console.log(1); console.error(2); process.exitCode = 3')
      expect(await runNode([file], { quiet: true })).to.include({
        status: 3,
        isLate: false,
        output: '1\n2\n',
      })
    })

    it('and shows what it prints, to the last of it', async () => {
      const long = 'x'.repeat(1_000_000)
      const file = write('long.cjs', `process.stdout.write('x'.repeat(1e6) + 'end')`)
      let shown = ''
      await runNode([file], { quiet: true, look: text => (shown += text) })
      expect(shown === `${long}end`).to.equal(true)
    })

    it('to its deadline, and then ends it with all that it has started, deaf ones too', async function () {
      if (process.platform === 'win32') this.skip()
      const deaf = "process.on('SIGTERM', () => {}); console.log(process.pid); setInterval(() => {}, 1000)"
      const child = write('child.cjs', deaf)
      const parent = write(
        'parent.cjs',
        `require('node:child_process').spawn(process.execPath, [${JSON.stringify(child)}], { stdio: 'inherit', detached: true }); ${deaf}`,
      )
      const { isLate, status, output } = await runNode([parent], { quiet: true, deadlineMs: 1500 })
      expect({ isLate, status }).to.deep.equal({ isLate: true, status: null })
      const ids = output.trim().split('\n').map(Number)
      expect(ids).to.have.lengthOf(2)
      for (const id of ids) await until(5000, `the end of process ${id}`, () => startTimeOf(id) === undefined)
    })
  })

  describe('reports', () => {
    const mocha = join(projectRoot(), 'node_modules', 'mocha', 'bin', 'mocha.js')
    const parameters = (file: string) => {
      const options = [
        '--reporter',
        script('reporter.js'),
        '--reporter-option',
        `summary=${join(directory, 'counts')}`,
      ]
      return [mocha, '--no-config', ...options, file]
    }
    const counts = () => JSON.parse(readFileSync(join(directory, 'counts'), 'utf8')) as unknown

    it('what passed, failed and was skipped, with each failure in full', () => {
      const file = write(
        'some.cjs',
        `describe('Some', () => {
          it('passes', () => {})
          it('is skipped')
          it('fails', () => { throw new Error('for a reason') })
          describe('more', () => it('passes', () => {}))
        })`,
      )
      const { stdout, status } = spawnSync(process.execPath, parameters(file), { encoding: 'utf8' })
      expect(status).to.equal(1)
      expect(counts()).to.deep.equal({ passed: 2, failed: 1, skipped: 1 })
      expect(stdout).to.match(/✗ Some: 2 passed, 1 failed, 1 skipped, \d+ ms\n/)
      expect(stdout).to.match(/1\) Some\n\s+fails:\s+Error: for a reason\n\s+at /)
    })

    it('a failed hook as one failure', () => {
      const file = write(
        'hook.cjs',
        "describe('A', () => { before(() => { throw new Error('no') }); it('x', () => {}) })",
      )
      spawnSync(process.execPath, parameters(file))
      expect(counts()).to.deep.equal({ passed: 0, failed: 1, skipped: 0 })
    })

    it('which test was running when it is ended', async function () {
      if (process.platform === 'win32') this.skip()
      const file = write(
        'hangs.cjs',
        "it('passes', () => {}); it('hangs', function () { this.timeout(0); console.log('hanging'); for (;;); })",
      )
      const run = spawn(process.execPath, parameters(file), { stdio: ['ignore', 'pipe', 'inherit'] })
      const output = collect(run)
      await until(20_000, 'the test that hangs', () => output().includes('hanging'))
      run.kill('SIGKILL')
      await until(5000, 'the end of the run', () => run.exitCode !== null || run.signalCode !== null)
      expect(counts()).to.deep.equal({ passed: 1, failed: 0, skipped: 0, running: 'hangs' })
    })
  })

  describe('looks for passwords in what is printed', () => {
    let secrets: Secrets
    before(async () => {
      secrets = await load<Secrets>('secrets.js')
    })

    function leaksIn(...pieces: readonly string[]): readonly string[] {
      const watch = new secrets.SecretWatch()
      for (const piece of pieces) watch.look(piece, 'unit')
      return watch.leaks
    }

    const forms: [form: string, write: (octets: Buffer) => string][] = [
      ['as text', octets => octets.toString()],
      ['in hexadecimal', octets => octets.toString('hex')],
      ['in hexadecimal', octets => inspect(octets)],
      ['as numbers', octets => inspect(new Uint8Array(octets))],
      ['as numbers', octets => JSON.stringify(octets, null, 2)],
      ...[0, 1, 2].map((offset): [string, (octets: Buffer) => string] => [
        'in base64',
        octets => Buffer.concat([Buffer.alloc(offset, 'u'), octets, Buffer.from('!')]).toString('base64'),
      ]),
    ]
    for (const [index, [form, spell]] of forms.entries()) {
      it(`and finds one ${form} (${index + 1}), also when it comes in two pieces, and does not print it`, () => {
        const text = `an error with ${spell(Buffer.from(`\0user\0${secrets.MARK}-x`))} in it`
        for (let cut = 0; cut <= text.length; cut += 7) {
          const leaks = leaksIn(text.slice(0, cut), text.slice(cut))
          expect(leaks).to.have.length(1)
          expect(leaks[0]).to.include(`unit printed a secret of the tests, ${form}, behind: anerrorwith`)
          expect(leaksIn(...leaks)).to.deep.equal([])
        }
      })
    }

    it('and finds none where there is none', () => {
      expect(leaksIn('hunter', ' 3', inspect(Buffer.from('hunter3')), 'hunt\n')).to.deep.equal([])
      const watch = new secrets.SecretWatch()
      watch.look(secrets.MARK.slice(0, 3), 'unit')
      watch.look(secrets.MARK.slice(3), 'live')
      expect(watch.leaks).to.deep.equal([])
    })
  })

  describe('looks at the packages', () => {
    let findDifference: Packages['findDifference']
    before(async () => {
      ;({ findDifference } = await load<Packages>('packages.js'))
    })

    const locked = {
      '': { version: '0.1.0' },
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
      'node_modules/b-other-platform': { version: '1.0.0', integrity: 'sha512-b', optional: true },
    }
    const lock = (name: string, packages: object) => write(name, JSON.stringify({ packages }))
    const { '': _, 'node_modules/b-other-platform': __, ...installed } = locked

    it('and is content when they are as locked, but for those of another platform', () => {
      lock('package-lock.json', locked)
      lock('node_modules/.package-lock.json', installed)
      mkdirSync(join(directory, 'node_modules', 'a'))
      expect(findDifference(directory)).to.equal(undefined)
    })

    it('and tells what is missing, old, gone or too much', () => {
      lock('package-lock.json', locked)
      expect(findDifference(directory)).to.equal('node_modules is missing')
      lock('node_modules/.package-lock.json', {})
      expect(findDifference(directory)).to.equal('node_modules/a is not as locked')
      lock('node_modules/.package-lock.json', {
        'node_modules/a': { version: '0.9.0', integrity: 'sha512-a' },
      })
      expect(findDifference(directory)).to.equal('node_modules/a is not as locked')
      lock('node_modules/.package-lock.json', installed)
      expect(findDifference(directory)).to.equal('node_modules/a is not as locked')
      mkdirSync(join(directory, 'node_modules', 'a'))
      lock('node_modules/.package-lock.json', { ...installed, 'node_modules/c': { version: '1.0.0' } })
      expect(findDifference(directory)).to.equal('node_modules/c is not locked')
    })
  })

  it('goes on after a part that failed, sums up in its last line, and fails', () => {
    for (const name of [
      'scripts',
      'package.json',
      'package-lock.json',
      '.mocharc.json',
      '.c8rc.json',
      'biome.json',
    ]) {
      cpSync(join(projectRoot(), name), join(directory, name), { recursive: true })
    }
    for (const name of ['tsconfig.json', 'tsconfig.build.json', 'tsconfig.test.json']) {
      cpSync(join(projectRoot(), name), join(directory, name))
    }
    symlinkSync(join(projectRoot(), 'node_modules'), join(directory, 'node_modules'), 'junction')
    write('src/frames/one.ts', 'export const one = () => 1; // not our style\n')
    write(
      'test/support/root.ts',
      "export const mochaHooks = { beforeAll() { console.log('seed', process.env['FC_SEED']) } }\n",
    )
    write(
      'test/frames/one.test.ts',
      "it('fails', () => { throw new Error('on purpose') })\nit('is skipped')\n",
    )
    // A leak is planted in what the fuzzers print: the check at the end is seen to find it.
    const leak = "console.log(Buffer.from('a hunter2').toString('base64'))"
    write('test/fuzz/one.test.ts', `it('crashes', () => { ${leak}; process.exit(7) })\n`)
    const { NODE_V8_COVERAGE: _, ...env } = process.env
    const { stdout, status } = spawnSync(
      process.execPath,
      ['scripts/test.js', 'lint', 'unit', 'live4', '--only', 'fuzz'],
      {
        cwd: directory,
        encoding: 'utf8',
        env: { ...env, FC_SEED: '42', AMQP_URL: 'amqp://broker.example' },
      },
    )
    expect(stdout).to.match(/^Node v.*, fast-check seed 42\n/)
    expect(stdout).to.contain('seed 42\n').and.to.contain('to repeat: FC_SEED=42 npm test -- unit\n')
    expect(stdout).to.match(/✗ lint +0 passed, 1 failed/)
    expect(stdout).to.match(/✓ build +1 passed, 0 failed/)
    expect(stdout).to.match(/✗ unit +0 passed, 1 failed, 1 skipped/)
    expect(stdout).to.contain('mocha ended with 7 and no failed test')
    expect(stdout).to.match(/✗ fuzz +0 passed, 1 failed/)
    expect(stdout).to.contain('AMQP_URL names the broker\n')
    expect(stdout).to.match(/✗ live4 +0 passed, 1 failed/)
    expect(stdout).not.to.contain('== live:')
    expect(stdout).to.contain('  fuzz printed a secret of the tests, in base64, behind:')
    expect(stdout).to.match(/✗ secrets +0 passed, 1 failed/)
    expect(stdout).to.match(/\n\d passed, [56] failed, 1 skipped\n$/)
    expect(status).to.equal(1)
  })
})

function collect(run: ChildProcess): () => string {
  let text = ''
  run.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}
