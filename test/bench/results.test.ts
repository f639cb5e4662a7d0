import { expect } from 'chai'
import { cpuUsPerMessage, median, messagesPerSecond } from '../../bench/results.js'
import { results, series } from './samples.js'

const PUBLISH = { server: 'null', workload: 'publish', size: 16 } as const

describe('Results', () => {
  it('are medians over the runs', () => {
    const all = results(series({}, { cpuUs: 1000 }, { cpuUs: 9000 }, { cpuUs: 2000 }))
    expect(all.median({ ...PUBLISH, client: 'thump' }, cpuUsPerMessage)).to.equal(2)
    expect(median([4, 1])).to.equal(2.5)
  })

  it('have ratios run by run, so that what hits both clients does not show', () => {
    const all = results(
      series({}, { cpuUs: 100 }, { cpuUs: 1000 }, { cpuUs: 500 }),
      series({ client: 'raw' }, { cpuUs: 50 }, { cpuUs: 500 }, { cpuUs: 100 }),
    )
    expect(all.ratio(PUBLISH, 'thump', 'raw', cpuUsPerMessage)).to.equal(2)
  })

  it('have no ratio to a client that was not measured, and none between different work', () => {
    const all = results(series({}, {}), series({ client: 'raw', size: 1024 }, {}))
    expect(all.ratio(PUBLISH, 'thump', 'raw', cpuUsPerMessage)).to.equal(undefined)
    expect(all.bestPeer(PUBLISH)).to.equal(undefined)
  })

  it('compare as many runs as both have', () => {
    const all = results(series({}, { cpuUs: 2000 }, { cpuUs: 9000 }), series({ client: 'raw' }, {}))
    expect(all.ratios(PUBLISH, 'thump', 'raw', cpuUsPerMessage)).to.deep.equal([2])
  })

  it('know the peer that costs least, and the one that is fastest', () => {
    const all = results(
      series({}, { cpuUs: 1 }),
      series({ client: 'amqplib' }, { cpuUs: 5000, wallMs: 100 }),
      series({ client: 'cloudamqp' }, { cpuUs: 4000, wallMs: 200 }),
      series({ client: 'raw' }, { cpuUs: 2, wallMs: 1 }),
    )
    expect(all.bestPeer(PUBLISH)).to.equal('cloudamqp')
    expect(all.bestPeer(PUBLISH, 'speed')).to.equal('amqplib')
    expect(all.median({ ...PUBLISH, client: 'amqplib' }, messagesPerSecond)).to.equal(10_000)
  })

  it('leave out what was not measured', () => {
    const all = results(series({}), series({ size: 1024 }, {}))
    expect(all.works.map(({ size }) => size)).to.deep.equal([1024])
    expect(() => all.median({ ...PUBLISH, client: 'thump' }, cpuUsPerMessage)).to.throw(
      'null publish 16 thump was not measured',
    )
  })
})
