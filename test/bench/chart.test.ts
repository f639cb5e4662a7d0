import { expect } from 'chai'
import { chartOf } from '../../bench/chart.js'
import { results, series } from './samples.js'

const SVG = chartOf(
  results(
    series({}, { cpuUs: 500 }),
    series({ client: 'amqplib' }, { cpuUs: 5000 }),
    series({ client: 'raw' }, { cpuUs: 50 }),
    series({ workload: 'ack', size: 1024 }, { cpuUs: 1000 }),
    series({ workload: 'idle', size: 1000 }, {}),
  ),
  'costs & <more>',
)

/** Of the mark with this tip, from the left. */
const xOf = (tip: string) =>
  Number(new RegExp(`translate\\(([\\d.]+) [\\d.]+\\)"><title>${tip}`).exec(SVG)?.[1])

describe('A chart of results', () => {
  it('has a mark for each client in each row, and what it stands for', () => {
    expect([...SVG.matchAll(/<title>(.*?)<\/title>/g)].map(match => match[1])).to.have.members([
      'costs &amp; &lt;more&gt;',
      'thump, publish 16 B: 0.500 µs',
      'amqplib, publish 16 B: 5.00 µs',
      'raw, publish 16 B: 0.050 µs',
      'thump, ack 1 KiB: 1.00 µs',
    ])
  })

  it('has a logarithmic scale', () => {
    const [raw, thump, amqplib] = ['raw, pub', 'thump, pub', 'amqplib, pub'].map(xOf) as [
      number,
      number,
      number,
    ]
    expect(amqplib - thump)
      .to.be.above(50)
      .and.closeTo(thump - raw, 0.2)
  })

  it('says how many times as much the best peer takes', () => {
    expect(SVG).to.include('>10 ×<')
  })

  it('is one well-formed element with nothing that is not a number', () => {
    const open = [...SVG.matchAll(/<(\w+)(?:\s[^>]*[^/])?>/g)].map(match => match[1])
    const closed = [...SVG.matchAll(/<\/(\w+)>/g)].map(match => match[1])
    expect(open.toSorted()).to.deep.equal(closed.toSorted())
    expect(SVG).not.to.match(/NaN|undefined|Infinity/)
  })
})
