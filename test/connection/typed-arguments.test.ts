import { expect } from 'chai'
import { CONSUME_ARGUMENTS } from '../../src/connection/consume-arguments.js'
import type { QUEUE_ARGUMENTS } from '../../src/connection/queue-arguments.js'
import { queueDeclare } from '../../src/connection/queue-methods.js'
import { argumentsOf, checksOf } from '../../src/connection/typed-arguments.js'
import { ArgumentError, type FieldTable, type QueueDeclareOptions } from '../../src/index.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import type { MethodOf } from '../../src/protocol/method-types.js'
import { thrownBy } from '../support/rejection.js'

const MOST = Number.MAX_SAFE_INTEGER

/** Of each typed option: its argument, what is taken, what is refused. */
const QUEUE_OPTIONS: Record<
  keyof typeof QUEUE_ARGUMENTS,
  [argument: string, good: unknown[], bad: unknown[]]
> = {
  type: ['x-queue-type', ['classic', 'quorum', 'stream'], ['lazy', 'Classic', '', 1]],
  messageTtl: ['x-message-ttl', [0, 60_000, 2 ** 32 - 1], [-1, 1.5, 2 ** 32, '60000', 5n]],
  expires: ['x-expires', [1, 2 ** 32 - 1], [0, -1, 0.5, 2 ** 32]],
  maxLength: ['x-max-length', [0, 1, MOST], [-1, 1.5, MOST + 1, Number.NaN]],
  maxLengthBytes: ['x-max-length-bytes', [0, 2 ** 40], [-1, Number.POSITIVE_INFINITY]],
  overflow: ['x-overflow', ['drop-head', 'reject-publish', 'reject-publish-dlx'], ['drop-tail', true]],
  deadLetterExchange: ['x-dead-letter-exchange', ['', 'dlx'], ['x'.repeat(256), 1]],
  deadLetterRoutingKey: ['x-dead-letter-routing-key', ['', 'k'], ['x'.repeat(256), null]],
  deadLetterStrategy: ['x-dead-letter-strategy', ['at-most-once', 'at-least-once'], ['exactly-once']],
  maxPriority: ['x-max-priority', [1, 255], [0, 256, 1.5]],
  singleActiveConsumer: ['x-single-active-consumer', [true, false], [1, 'true']],
  deliveryLimit: ['x-delivery-limit', [-1, 0, 20], [-2, 1.5]],
  maxAge: [
    'x-max-age',
    ['7D', '1Y', '12M', '36h', '10m', '30s', '0007D'],
    ['7d', '7', 'D', '0D', '1.5h', '-1D', 7],
  ],
  maxSegmentSizeBytes: ['x-stream-max-segment-size-bytes', [1, 500_000_000], [0, -1]],
  initialGroupSize: ['x-quorum-initial-group-size', [1, 5], [0, 1.5]],
  leaderLocator: ['x-queue-leader-locator', ['client-local', 'balanced'], ['random', 'min-masters']],
  consumerTimeout: ['x-consumer-timeout', [1, 3_600_000], [0, -1, 2 ** 32]],
}

function declaredWith(options: QueueDeclareOptions): FieldTable {
  return queueDeclare('q', options).args.arguments
}

/** Whatever it needs to be told besides. */
function beside(option: string): QueueDeclareOptions {
  return option === 'initialGroupSize' ? { type: 'quorum' } : {}
}

describe('the typed options of queueDeclare', () => {
  for (const [option, [argument, good, bad]] of Object.entries(QUEUE_OPTIONS)) {
    it(`send ${option} as ${argument}, as it is`, () => {
      for (const value of good) {
        const { 'x-queue-type': _, ...table } = declaredWith({ ...beside(option), [option]: value })
        if (option === 'type')
          expect(declaredWith({ [option]: value } as object)).to.deep.equal({ [argument]: value })
        else expect(table).to.deep.equal({ [argument]: value })
      }
    })

    it(`refuse ${option} when RabbitMQ would, naming it`, () => {
      for (const value of bad) {
        const error = thrownBy(() => declaredWith({ ...beside(option), [option]: value }), ArgumentError)
        expect(error.path, String(value)).to.equal(`options.${option}`)
      }
    })

    it(`refuse ${option} beside an open ${argument}, naming both`, () => {
      const open = { arguments: { [argument]: 'classic' } }
      const error = thrownBy(
        () => declaredWith({ ...beside(option), ...open, [option]: good[0] }),
        ArgumentError,
      )
      expect(error.path).to.equal(`options.${option}`)
      expect(error.message).to.include(`options.arguments["${argument}"]`)
    })
  }

  it('send nothing for what is undefined, and leave an open argument alone then', () => {
    const undefinedOnes = Object.fromEntries(Object.keys(QUEUE_OPTIONS).map(option => [option, undefined]))
    expect(declaredWith(undefinedOnes)).to.deep.equal({})
    expect(declaredWith({ messageTtl: undefined, arguments: { 'x-message-ttl': 5 } })).to.deep.equal({
      'x-message-ttl': 5,
    })
  })

  it('take an open argument that is undefined for one that is not there', () => {
    expect(declaredWith({ messageTtl: 5, arguments: { 'x-message-ttl': undefined } })).to.deep.equal({
      'x-message-ttl': 5,
    })
  })

  it('give the initial group size the name that the type of queue knows', () => {
    expect(declaredWith({ type: 'stream', initialGroupSize: 3 })).to.deep.equal({
      'x-queue-type': 'stream',
      'x-initial-cluster-size': 3,
    })
    expect(declaredWith({ arguments: { 'x-queue-type': 'quorum' }, initialGroupSize: 3 })).to.deep.equal({
      'x-queue-type': 'quorum',
      'x-quorum-initial-group-size': 3,
    })
    for (const options of [{}, { type: 'classic' }, { arguments: { 'x-queue-type': 'toString' } }] as const) {
      const error = thrownBy(() => declaredWith({ ...options, initialGroupSize: 3 }), ArgumentError)
      expect(error.message).to.match(/^options\.initialGroupSize needs options\.type to be quorum or stream/)
    }
  })

  it('do not change the options and tables that they were given', () => {
    const options = Object.freeze({ maxLength: 5, arguments: Object.freeze({ 'x-other': 1 }) })
    expect(declaredWith(options)).to.deep.equal({ 'x-other': 1, 'x-max-length': 5 })
    expect(options).to.deep.equal({ maxLength: 5, arguments: { 'x-other': 1 } })
  })

  it('reach the wire in the types that RabbitMQ wants (I, l, S, t)', () => {
    const octets = octetsOf(
      queueDeclare('q', {
        messageTtl: 60_000,
        maxLengthBytes: 2 ** 40,
        maxAge: '7D',
        singleActiveConsumer: true,
      }),
    )
    expect(octets).to.include(`${text('x-message-ttl')}I${'\0\0\xea\x60'}`)
    expect(octets).to.include(`${text('x-max-length-bytes')}l${'\0\0\x01\0\0\0\0\0'}`)
    expect(octets).to.include(`${text('x-max-age')}S\0\0\0\x027D`)
    expect(octets).to.include(`${text('x-single-active-consumer')}t\x01`)
  })
})

describe('the typed options of consume', () => {
  const checks = checksOf(CONSUME_ARGUMENTS)
  const cases: Record<
    keyof typeof CONSUME_ARGUMENTS,
    [argument: string, good: unknown[], bad: [value: unknown, path?: string][]]
  > = {
    priority: ['x-priority', [-(2 ** 31), -1, 0, 10, 2 ** 31 - 1], [[2 ** 31], [1.5], ['1']]],
    streamOffset: [
      'x-stream-offset',
      ['first', 'last', 'next', 0, 5_000_000_000, 2n ** 63n - 1n, 0n, new Date(0), '1h', '7D'],
      [
        ['begin'],
        ['1 hour'],
        [-1],
        [1.5],
        [-1n],
        [2n ** 63n],
        [new Date(Number.NaN)],
        [new Date(-1)],
        [null],
        [{}],
      ],
    ],
    streamFilter: [
      'x-stream-filter',
      ['', 'a', ['a'], ['a', 'b']],
      [[[]], [5], [['a', 5], 'options.streamFilter[1]'], [{}]],
    ],
    matchUnfiltered: ['x-stream-match-unfiltered', [true, false], [[1], ['yes']]],
  }

  for (const [option, [argument, good, bad]] of Object.entries(cases)) {
    const check = checks[option as keyof typeof cases]

    it(`take ${option} as ${argument}, as it is`, () => {
      for (const value of good) {
        check(value, `options.${option}`)
        expect(argumentsOf({ [option]: value } as object, CONSUME_ARGUMENTS)).to.deep.equal({
          [argument]: value,
        })
      }
    })

    it(`refuse ${option} when RabbitMQ would, naming it`, () => {
      for (const [value, path = `options.${option}`] of bad) {
        const error = thrownBy(() => check(value, `options.${option}`), ArgumentError)
        expect(error.path, String(value)).to.equal(path)
      }
    })
  }

  it('reach the wire in the types that RabbitMQ wants (l, T, S, A)', () => {
    const offsets: [given: unknown, octets: string][] = [
      [5n, `l${'\0'.repeat(7)}\x05`],
      [2 ** 40, `l${'\0\0\x01\0\0\0\0\0'}`],
      [5, 'I\0\0\0\x05'],
      [new Date(258_000), `T${'\0'.repeat(6)}\x01\x02`],
      ['1h', 'S\0\0\0\x021h'],
    ]
    for (const [given, octets] of offsets) {
      const table = argumentsOf({ streamOffset: given } as object, CONSUME_ARGUMENTS)
      const args = {
        queue: 'q',
        consumerTag: 't',
        noLocal: false,
        noAck: false,
        exclusive: false,
        noWait: false,
      }
      const frame = octetsOf({ name: 'basic.consume', args: { ...args, arguments: table } })
      expect(frame).to.include(`${text('x-stream-offset')}${octets}`)
    }
    const table = argumentsOf({ streamFilter: ['a', 'bc'] } as object, CONSUME_ARGUMENTS)
    const args = { ...declareArgs(), arguments: table }
    expect(octetsOf({ name: 'queue.declare', args })).to.include(
      `${text('x-stream-filter')}A${'\0\0\0\x0d'}S\0\0\0\x01aS\0\0\0\x02bc`,
    )
  })
})

function declareArgs() {
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
  return { queue: 'q', ...flags }
}

/** A frame as characters, one for each octet. */
function octetsOf(method: MethodOf<'queue.declare' | 'basic.consume'>): string {
  return encodeAhead(encodeMethodFrame, 1, 131_072, method).toString('latin1')
}

/** A short string as it stands in a table. */
function text(name: string): string {
  return String.fromCharCode(name.length) + name
}
