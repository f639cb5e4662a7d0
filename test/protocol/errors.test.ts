import { inspect } from 'node:util'
import { expect } from 'chai'
import type { CloseReason } from '../../src/protocol/close-reason.js'
import {
  AmqpError,
  AuthenticationError,
  BackpressureError,
  CallTimeoutError,
  ChannelClosedError,
  ChannelLimitError,
  CloseTimeoutError,
  ConnectError,
  ConnectionClosedError,
  ConsumerClosedError,
  type ErrorDetails,
  HeartbeatError,
  NackedError,
  ProtocolError,
  PublishesFailedError,
  RequestTimeoutError,
  ReturnedError,
  RpcError,
  TransportError,
  UnconfirmedError,
} from '../../src/protocol/errors.js'
import type { ReturnedMessage } from '../../src/protocol/returned-message.js'

const CAUSE = new Error('read ECONNRESET')
const DETAILS: ErrorDetails = {
  connectionName: 'orders',
  localPort: 54_321,
  cause: CAUSE,
  method: 'queue.declare',
}
const REASON: CloseReason = { by: 'server', code: 404, text: 'NOT_FOUND - no queue', method: 'queue.declare' }
const FACTS = { intervalMs: 10_000, silenceMs: 20_001, queuedOctets: 7, eventLoopLagMs: 3 }
const PUBLISH = { exchange: 'x', routingKey: 'k' }
const RETURNED: ReturnedMessage = {
  replyCode: 312,
  replyText: 'NO_ROUTE',
  ...PUBLISH,
  properties: {},
  body: Buffer.from('a body'),
}

const ERRORS: readonly (readonly [code: string, make: (details: ErrorDetails) => AmqpError])[] = [
  ['AMQP_ERROR', details => new AmqpError('message', details)],
  ['AMQP_CONNECT', details => new ConnectError('message', 'tcp', undefined, details)],
  ['AMQP_AUTHENTICATION', details => new AuthenticationError('message', 'tune', 'hint', details)],
  ['AMQP_CONNECTION_CLOSED', details => new ConnectionClosedError(REASON, details)],
  ['AMQP_CHANNEL_CLOSED', details => new ChannelClosedError(REASON, 3, details)],
  ['AMQP_CONSUMER_CLOSED', details => new ConsumerClosedError(REASON, 'tag', details)],
  ['AMQP_HEARTBEAT', details => new HeartbeatError('message', FACTS, details)],
  ['AMQP_TRANSPORT', details => new TransportError('message', details)],
  ['AMQP_PROTOCOL', details => new ProtocolError('message', details)],
  ['AMQP_CALL_TIMEOUT', details => new CallTimeoutError('message', details)],
  ['AMQP_CLOSE_TIMEOUT', details => new CloseTimeoutError('message', details)],
  ['AMQP_CHANNEL_LIMIT', details => new ChannelLimitError('message', details)],
  ['AMQP_NACKED', details => new NackedError('message', details)],
  ['AMQP_RETURNED', details => new ReturnedError(RETURNED, details)],
  ['AMQP_UNCONFIRMED', details => new UnconfirmedError('why', { ...PUBLISH, outcome: 'unknown' }, details)],
  ['AMQP_BACKPRESSURE', details => new BackpressureError('message', details)],
  ['AMQP_REQUEST_TIMEOUT', details => new RequestTimeoutError(500, { ...PUBLISH, confirmed: true }, details)],
  ['AMQP_RPC', details => new RpcError('message', details)],
]

describe('errors', () => {
  for (const [code, make] of ERRORS) {
    const error = make(DETAILS)

    it(`of ${code} are AmqpErrors that say what they are called`, () => {
      expect(error).to.be.instanceOf(AmqpError).and.instanceOf(Error)
      expect(error.code).to.equal(code)
      expect(error.name).to.equal(error.constructor.name)
      expect(String(error)).to.match(new RegExp(`^${error.constructor.name}: `))
      expect(error.stack).to.include('errors.test')
    })

    it(`of ${code} carry connection name, local port and cause`, () => {
      expect(error).to.include({ connectionName: 'orders', localPort: 54_321 })
      expect(error.cause).to.equal(CAUSE)
      expect(inspect(error)).to.include('ECONNRESET').and.include('orders').and.include('54321')
    })

    it(`of ${code} have no keys for what is not known`, () => {
      const bare = make({})
      expect(bare).not.to.have.any.keys('connectionName', 'localPort')
      // What closed has a reason all the same, and that is what its cause leads to.
      expect(bare.cause).to.equal('reason' in bare ? bare.reason : undefined)
      expect(Object.hasOwn(bare, 'cause')).to.equal('reason' in bare)
    })
  }

  it('have a code each', () => {
    const codes = ERRORS.map(([code]) => code)
    expect(new Set(codes).size).to.equal(codes.length)
  })

  it('keep what they were made with', () => {
    const error = new AmqpError('message', { method: 'basic.get' })
    expect(() => Object.assign(error, { method: 'other' })).to.throw(TypeError)
    expect(error.method).to.equal('basic.get')
  })
})

describe('ConnectError', () => {
  it('gives its hint in the message and apart from it', () => {
    const error = new ConnectError('cannot connect', 'start', 'try TLS')
    expect(error.message).to.equal('cannot connect (try TLS)')
    expect(error).to.include({ phase: 'start', hint: 'try TLS' })
    expect(new ConnectError('cannot connect', 'dns', undefined).message).to.equal('cannot connect')
  })

  it('is what an AuthenticationError is too', () => {
    expect(new AuthenticationError('refused', 'tune', undefined)).to.be.instanceOf(ConnectError)
  })
})

function closedErrors(reason: CloseReason) {
  return [
    new ConnectionClosedError(reason),
    new ChannelClosedError(reason, 3),
    new ConsumerClosedError(reason, 'tag'),
  ]
}

describe('the errors of what is closed', () => {
  it('say what it was, who closed it and why, and lead to the cause', () => {
    const cause = new TransportError('read ECONNRESET')
    const reason: CloseReason = { ...REASON, error: cause }
    const connection = new ConnectionClosedError(reason)
    const channel = new ChannelClosedError(reason, 3)
    const consumer = new ConsumerClosedError(reason, 'tag')
    expect(connection.message).to.equal(
      'connection closed by the server: 404 NOT_FOUND - no queue (queue.declare)',
    )
    expect(channel.message).to.match(/^channel 3 closed by the server: 404/)
    expect(consumer.message).to.match(/^consumer tag closed by the server: 404/)
    for (const error of [connection, channel, consumer]) {
      expect(error.reason).to.equal(reason)
      expect(error.cause).to.equal(cause)
      expect(error).to.include({
        replyCode: 404,
        replyText: 'NOT_FOUND - no queue',
        method: 'queue.declare',
      })
    }
    expect(channel.channelNumber).to.equal(3)
    expect(consumer.consumerTag).to.equal('tag')
  })

  it('lead to the reason where there is no error behind it', () => {
    for (const error of closedErrors(REASON)) {
      expect(error.cause).to.equal(REASON)
      expect(error.reason).to.equal(REASON)
    }
  })

  it('do not print the reason beside the cause', () => {
    for (const error of closedErrors(REASON)) {
      expect(Object.keys(error)).not.to.include('reason')
      expect(inspect(error)).not.to.include('[reason]').and.not.to.include('reason:')
    }
  })

  it('name no reply code when nobody sent one, and give no words of thump for a reply text', () => {
    for (const error of closedErrors({ by: 'timeout', text: 'no reply within 20000 ms' })) {
      expect(error).not.to.have.any.keys('replyCode', 'replyText', 'method')
      expect(error.message).to.include('closed by a timeout: no reply within 20000 ms')
    }
  })
})

describe('HeartbeatError', () => {
  it('carries the facts', () => {
    expect(new HeartbeatError('message', FACTS)).to.include(FACTS)
  })
})

describe('ReturnedError', () => {
  it('carries the message that came back, and its body in no text', () => {
    const error = new ReturnedError(RETURNED)
    expect(error.returned).to.equal(RETURNED)
    expect(error.message).to.equal("message to exchange 'x' with routing key 'k' was returned: 312 NO_ROUTE")
    expect(error).to.include({ replyCode: 312, replyText: 'NO_ROUTE' })
  })
})

describe('UnconfirmedError', () => {
  it('says whether the message may have arrived', () => {
    const sent = new UnconfirmedError('why', { ...PUBLISH, outcome: 'unknown' })
    expect(sent).to.include({ ...PUBLISH, outcome: 'unknown' })
    expect(sent.message).to.equal(
      "publish to exchange 'x' with routing key 'k' may or may not have arrived: why",
    )
    const unsent = new UnconfirmedError('why', { ...PUBLISH, outcome: 'not-sent' })
    expect(unsent.outcome).to.equal('not-sent')
    expect(unsent.message).to.include('was not sent: why')
  })
})

describe('BackpressureError', () => {
  it('says that nothing was sent', () => {
    expect(new BackpressureError('message').outcome).to.equal('not-sent')
  })
})

describe('PublishesFailedError', () => {
  it('says how many publishes failed, and what the first failed with', () => {
    const error = new PublishesFailedError(3, { cause: CAUSE })
    expect(error.message).to.equal('not all publishes were confirmed: read ECONNRESET and 2 more')
    expect(error).to.include({ failed: 3, cause: CAUSE, code: 'AMQP_PUBLISHES_FAILED' })
  })

  it('speaks of no others when it was one', () => {
    const error = new PublishesFailedError(1, { cause: CAUSE })
    expect(error.message).to.equal('not all publishes were confirmed: read ECONNRESET')
  })
})

describe('RequestTimeoutError', () => {
  for (const confirmed of [true, false]) {
    it(`says where the request went, and that the broker ${confirmed ? 'has it' : 'may not have it'}`, () => {
      const error = new RequestTimeoutError(500, { ...PUBLISH, confirmed })
      expect(error.message).to.equal(
        `no reply within 500 ms to the request to exchange 'x' with routing key 'k', which the broker ${confirmed ? 'has' : 'has not'} confirmed`,
      )
      expect(error).to.include({ ...PUBLISH, confirmed })
    })
  }
})
