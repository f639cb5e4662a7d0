import { expect } from 'chai'
import { targetsOf } from '../../bench/targets.js'
import { results, series } from './samples.js'

describe('The targets of the benchmark', () => {
  it('are met or not', () => {
    const text = targetsOf(
      results(
        series({}, { cpuUs: 400 }),
        series({ client: 'amqplib' }, { cpuUs: 10_000 }),
        series({ workload: 'rpc' }, { cpuUs: 2100 }),
        series({ workload: 'rpc', client: 'raw' }, { cpuUs: 1000 }),
      ),
    )
    expect(text).to.match(/publish 16 B \| CPU +\| +≤ 0\.05 × amqplib \| +0\.0400? \| yes/)
    expect(text).to.match(/rpc 16 B +\| CPU +\| +≤ 2 × raw \| +2\.10 \| NO/)
    expect(text).to.match(/\n\n1 of 2 targets met$/)
  })

  it('are of idle connections what each adds, and of connecting its latency', () => {
    const text = targetsOf(
      results(
        series({ workload: 'idle', size: 1000 }, { heapOctetsPerConnection: 2048 }),
        series({ workload: 'connect', size: 0 }, { p50Us: 900 }),
        series({ workload: 'connect', size: 0, client: 'amqplib' }, { p50Us: 45_000 }),
      ),
    )
    expect(text).to.match(/heap KiB each \| +≤ 2\.5 \| +2\.00 \| yes/)
    expect(text).to.match(/connect +\| p50 +\| +≤ 0\.1 × amqplib \| +0\.0200? \| yes/)
  })

  it('are with a RabbitMQ those of the fastest peer', () => {
    const text = targetsOf(
      results(
        series({ server: 'live' }, { cpuUs: 1000, wallMs: 500 }),
        series({ server: 'live', client: 'amqplib' }, { cpuUs: 1500, wallMs: 400 }),
        series({ server: 'live', client: 'cloudamqp' }, { cpuUs: 1200, wallMs: 600 }),
      ),
    )
    expect(text).to.match(/live: publish 16 B \| msgs\/s \| +≥ 1 × amqplib \| +0\.800 \| NO/)
    expect(text).to.match(/live: publish 16 B \| CPU +\| +≤ 0\.5 × amqplib \| +0\.667 \| NO/)
  })

  it('are none of what was not measured', () => {
    expect(targetsOf(results(series({ client: 'amqplib' }, {})))).to.equal('')
    expect(targetsOf(results(series({}, {})))).to.equal('')
  })
})
