import { expect } from 'chai'
import { baselineOf, compare, comparisonTable, isWorse, TOLERANCE } from '../../bench/baseline.js'
import { results, series } from './samples.js'

/** thump beside amqplib at ten times its cost and raw at half, as it was saved. */
const measured = (thump: number, amqplib = 10_000, raw = 500) =>
  results(
    series({}, { cpuUs: thump }),
    series({ client: 'amqplib' }, { cpuUs: amqplib }),
    series({ client: 'raw' }, { cpuUs: raw }),
  )
const BASELINE = baselineOf(measured(1000), 'a machine')
const verdicts = (all: ReturnType<typeof measured>) => compare(all, BASELINE).map(isWorse)

describe('A baseline', () => {
  it('holds the ratios of thump with the null broker', () => {
    expect(BASELINE).to.deep.equal({
      machine: 'a machine',
      ratios: { 'null publish 16': { amqplib: 0.1, raw: 2 } },
    })
    expect(baselineOf(results(series({ server: 'live' }, {})), '').ratios).to.deep.equal({})
  })

  it('is met by what costs the same, or less, or not much more', () => {
    for (const cpuUs of [1000, 100, 1000 * (1 + TOLERANCE) - 10]) {
      expect(verdicts(measured(cpuUs))).to.deep.equal([false])
    }
  })

  it('is not met by what costs more beside every other client', () => {
    expect(verdicts(measured(1000 * (1 + TOLERANCE) + 10))).to.deep.equal([true])
  })

  it('is met when only one of the others has become cheaper', () => {
    expect(verdicts(measured(1000, 1000))).to.deep.equal([false])
    expect(verdicts(measured(1000, 10_000, 50))).to.deep.equal([false])
  })

  it('says nothing about work, or beside clients, that only one of them has', () => {
    expect(compare(results(series({ size: 1024 }, {})), BASELINE)).to.deep.equal([])
    expect(compare(results(series({}, {})), BASELINE)).to.deep.equal([])
    const [comparison] = compare(
      results(series({}, { cpuUs: 2000 }), series({ client: 'raw' }, { cpuUs: 500 })),
      BASELINE,
    )
    expect(comparison).to.include({ change: 2 })
  })

  it('is compared in a table', () => {
    const table = comparisonTable(compare(measured(2000), BASELINE))
    expect(table.split('\n').at(-1)).to.match(
      /^\| publish 16 B \| +0\.100 \| +0\.200 \| +2\.00 \| +4\.00 \| +\+100 % \| WORSE +\|$/,
    )
  })
})
