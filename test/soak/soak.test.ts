import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { type Checkpoint, complaintsAbout, measure, slopeOf, tableOf } from './checkpoints.js'
import { LIFE_WORKLOADS } from './life-workloads.js'
import { MESSAGE_WORKLOADS } from './message-workloads.js'

const ALLOWED_OCTETS = 512 * 1024
const DEADLINE_MS = 60_000

/** What the short run has told, by the name of the workload. */
async function shortRun(): Promise<ReadonlyMap<string, Checkpoint[]>> {
  // Coverage would be written when the child exits, and counted in what it holds before.
  const { NODE_V8_COVERAGE: _, ...env } = process.env
  const program = fileURLToPath(new URL('./memory-run.js', import.meta.url))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], {
    env,
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  expect(stderr, 'warnings').to.equal('')
  const told = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { name: string; checkpoints: Checkpoint[] })
  return new Map(told.map(({ name, checkpoints }) => [name, checkpoints]))
}

describe('nothing grows', function () {
  this.timeout(DEADLINE_MS + 5_000)
  let runs: ReadonlyMap<string, Checkpoint[]>

  before(async () => {
    runs = await shortRun()
  })

  for (const { name, title } of [...MESSAGE_WORKLOADS, ...LIFE_WORKLOADS]) {
    it(`over many ${title}`, () => {
      const checkpoints = runs.get(name) ?? []
      expect(complaintsAbout(checkpoints, ALLOWED_OCTETS), tableOf(checkpoints)).to.deep.equal([])
    })
  }

  it('unseen: that a message of every twenty is kept is found', () => {
    const checkpoints = runs.get('leaking') ?? []
    const [complaint, ...others] = complaintsAbout(checkpoints, ALLOWED_OCTETS)
    expect(complaint, tableOf(checkpoints)).to.match(
      /^\d+ octets more are held after 20000 than after 10000$/,
    )
    expect(others).to.deep.equal([])
    expect(slopeOf(checkpoints)).to.be.within(80, 200)
  })

  it('unseen: a listener or a handle that stays is found', async () => {
    const { signal } = new AbortController()
    const points: Checkpoint[] = []
    const timers: NodeJS.Timeout[] = []
    for (let done = 1; done <= 3; done++) {
      signal.addEventListener('abort', () => undefined)
      timers.push(setTimeout(() => undefined, DEADLINE_MS))
      points.push(await measure(done, { signal, emitters: () => [] }))
    }
    for (const timer of timers) clearTimeout(timer)
    const complaints = complaintsAbout(points, Number.MAX_SAFE_INTEGER)
    expect(complaints).to.have.length(2)
    expect(complaints[0]).to.match(/^\d+ listeners, there were \d+$/)
    expect(complaints[1]).to.match(/^\d+ handles, there were \d+$/)
  })
})
