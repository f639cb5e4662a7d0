import { expect } from 'chai'
import { type BenchOptions, parseOptions } from '../../bench/options.js'

const parse = (...args: string[]) => parseOptions(args) as BenchOptions

describe('The options of the benchmark', () => {
  it('are everything with the null broker unless something is asked for', () => {
    const options = parse()
    expect(options.servers).to.deep.equal(['null'])
    expect(options.workloads).to.include.members(['publish', 'idle'])
    expect(options.clients).to.include.members(['thump', 'librabbitmq'])
    expect(options).to.include({ sizes: undefined, runs: undefined, check: false, save: false })
  })

  it('choose workloads, sizes and clients by their names', () => {
    const options = parse('--only', 'ack', '--only', '1024', '--only', 'raw', '--only', 'thump')
    expect(options.workloads).to.deep.equal(['ack'])
    expect(options.sizes).to.deep.equal([1024])
    expect(options.clients).to.deep.equal(['thump', 'raw'])
  })

  it('are short and for three clients with --quick, unless others are named', () => {
    expect(parse('--quick')).to.include({ runs: 1 }).and.have.property('seconds').below(parse().seconds)
    expect(parse('--quick').clients).to.deep.equal(['thump', 'amqplib', 'raw'])
    expect(parse('--quick', '--only', 'cloudamqp').clients).to.deep.equal(['cloudamqp'])
    expect(parse('--quick', '--seconds', '2', '--runs', '5')).to.include({ runs: 5, seconds: 2 })
  })

  it('measure all with both servers with --save', () => {
    expect(parse('--save').servers).to.deep.equal(['null', 'live'])
    expect(parse('--live').servers).to.deep.equal(['live'])
  })

  it('are none when help is wanted', () => {
    expect(parseOptions(['--help'])).to.equal(undefined)
  })

  for (const [args, complaint] of [
    [['--only', 'nothing'], /^--only nothing: there is no such workload, size or client$/],
    [['--only', ''], /^--only : there is no such/],
    [['--runs', '0'], /^--runs must be a number above 0$/],
    [['--seconds', 'many'], /^--seconds must be a number above 0$/],
    [['--save', '--quick'], /^--save is for all there is/],
    [['--save', '--only', 'ack'], /^--save is for all there is/],
    [['--check', '--live'], /^--check is for the null broker/],
    [['--fast'], /--fast/],
  ] as const) {
    it(`are refused: ${args.join(' ')}`, () => {
      expect(() => parseOptions(args)).to.throw(complaint)
    })
  }
})
