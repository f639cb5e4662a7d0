import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

interface Outcome {
  readonly fullTitle: string
  readonly err: { readonly message?: string | undefined; readonly stack?: string | undefined }
}

interface Report {
  readonly stats: { readonly failures: number }
  readonly passes: readonly Outcome[]
  readonly failures: readonly Outcome[]
}

/** Runs the planted tests under mocha, as the suite runs its own, and returns mocha's own report. */
function runPlantedTests(): Report {
  const planted = fileURLToPath(new URL('./planted/', import.meta.url))
  const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js')
  const files = ['--require', join(planted, 'root.js'), join(planted, 'faults.js')]
  const parameters = [mocha, '--no-config', '--timeout', '5000', '--reporter', 'json', ...files]
  const { NODE_V8_COVERAGE: _, ...env } = process.env
  const run = spawnSync(process.execPath, ['--enable-source-maps', ...parameters], {
    encoding: 'utf8',
    env,
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  expect(run.error, 'the planted run does not end: something that was released keeps it alive').to.equal(
    undefined,
  )
  expect(run.stderr).not.to.contain('Test failed after root suite execution completed')
  return JSON.parse(run.stdout.slice(run.stdout.indexOf('{\n'))) as Report
}

const DEADLINE_MS = 30_000

describe('The invariants around every test', function () {
  this.timeout(DEADLINE_MS + 5_000)
  let report: Report

  before(() => {
    report = runPlantedTests()
  })

  const messages = (title: string) =>
    report.failures.filter(one => one.fullTitle === title).map(one => one.err.stack || one.err.message || '')

  for (const [title, ...patterns] of [
    [
      'planted a pending promise of a method',
      /pends for ever: a promise of Line\.unanswered, returned at .*faults\.[jt]s/,
    ],
    ['planted a pending promise of a getter', /pends for ever: a promise of Line\.closed/],
    [
      'planted a pending promise of an iterator',
      /pends for ever: a promise of Line\.\[Symbol\.asyncIterator\]\.next/,
    ],
    ['planted a pending promise that is watched', /pends for ever: a promise of a handshake/],
    ['planted a timer', /left behind: a timer \(Timeout\), created at .*faults\.[jt]s/],
    ['planted a timer without its reference', /left behind: a timer \(Timeout\), created at .*faults\.[jt]s/],
    [
      'planted an immediate that begins anew',
      /left behind: an immediate \(Immediate\), created at .*again .*faults/,
    ],
    ['planted a server', /left behind: a TCP server \(TCPSERVERWRAP\), created at listen .*faults\.[jt]s/],
    [
      'planted a socket',
      /left behind: a TCP socket \(TCPWRAP\), created at dial/,
      /accepted by a TCP server/,
    ],
    ['planted a child process', /left behind: a child process \(PROCESSWRAP\), created at .*faults\.[jt]s/],
    [
      'planted a listener of the process',
      /left behind: a listener of the process for 'SIGHUP', added at .*faults/,
    ],
    ['planted a stray exception after the test', /an exception that nobody caught: Error: out of the blue/],
    ['planted a stray exception while the test runs', /out of the sky/],
    ['planted a stray rejection', /a rejection that nobody handled: Error: refused by the line/],
    [
      'planted a rejection that is handled too late',
      /a rejection that nobody handled \(handled, but only after/,
    ],
    ['planted an unexpected warning', /a warning that nobody expected: Warning: nobody asked for this/],
    ['planted an expected warning that does not come', /no warning matched \/never said\//],
    [
      'planted growth',
      /grows without bound: 100 times left \d+ octets behind \(6[3-8]\d\d\d each time\), at most 524288/,
    ],
    ['planted growth of listeners', /grows without bound: 'drain' has \d+ listeners, had 10/],
  ] as const) {
    it(`tell ${title.replace(/^planted /, '')}`, () => {
      const found = messages(title)
      expect(found, title).to.have.lengthOf(1)
      for (const pattern of patterns) expect(found[0], found[0]).to.match(pattern)
    })
  }

  it('tell what a suite left, when all tests are over', () => {
    const [found] = messages('leaves nothing behind when all tests are over')
    expect(found).to.match(/left behind: a timer \(Timeout\).*faults/)
    expect(found).to.contain('of "a suite that leaks"')
    expect(found).not.to.contain('of "a suite that shares a socket"')
  })

  it('leave a test without a fault alone, also right after one with a fault', () => {
    const failed = report.failures.map(one => one.fullTitle)
    const blamed = failed.filter(title => !/^(planted|leaves nothing behind)/.test(title))
    expect(blamed).to.deep.equal([])
    expect(report.passes.map(one => one.fullTitle)).to.include('afterwards the next test is clean')
  })
})
