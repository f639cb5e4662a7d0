import { expect } from 'chai'
import { figures, labelOf, tablesOf } from '../../bench/table.js'
import { results, series } from './samples.js'

const cells = (table: string | undefined, line: number) =>
  (table?.split('\n')[line] ?? '').split('|').map(cell => cell.trim())

describe('A table of results', () => {
  it('has what a message costs, and the ratios to others', () => {
    const [table] = tablesOf(
      results(
        series({}, { cpuUs: 2500, writes: 3 }),
        series({ client: 'amqplib' }, { cpuUs: 5000 }),
        series({ client: 'raw' }, { cpuUs: 250 }),
      ),
    )
    const line = Object.fromEntries(cells(table, 0).map((title, index) => [title, cells(table, 2)[index]]))
    expect(line).to.include({
      workload: 'publish',
      body: '16 B',
      client: 'thump',
      'msgs/s': '1,000',
      'CPU µs': '2.50',
      'of it sys': '0.100',
      '× amqplib': '0.500',
      '× raw': '10.0',
      '× best peer': '0.500',
      'writes/1000': '3.00',
      'GC %': '1.0',
      'RSS MiB': '50',
    })
  })

  it('is another one for what has latencies, and for idle connections', () => {
    const tables = tablesOf(
      results(
        series({}, {}),
        series({ workload: 'rpc' }, { p50Us: 41.26, p99Us: 1234 }),
        series({ workload: 'idle', size: 1000 }, { messages: 5, cpuUs: 100_000 }),
      ),
    )
    expect(tables).to.have.lengthOf(3)
    expect(cells(tables[1], 2)).to.include.members(['rpc', '41.3', '1,234'])
    expect(cells(tables[2], 2)).to.include.members(['1,000', '20.0'])
    expect(tablesOf(results())).to.deep.equal([])
  })

  it('has three significant figures, and sizes for people', () => {
    expect([1234.5, 123.4, 12.34, 0.1234, 0.0123, 0.00123].map(figures)).to.deep.equal([
      '1,235',
      '123',
      '12.3',
      '0.123',
      '0.012',
      '0.001',
    ])
    const work = { server: 'null', workload: 'consume' } as const
    expect([16, 1024, 65_536, 1_048_576].map(size => labelOf({ ...work, size }))).to.deep.equal([
      'consume 16 B',
      'consume 1 KiB',
      'consume 64 KiB',
      'consume 1 MiB',
    ])
    expect(labelOf({ ...work, workload: 'connect', size: 0 })).to.equal('connect')
  })
})
