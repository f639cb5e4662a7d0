import { expect } from 'chai'
import { describeReason } from '../../src/protocol/close-reason.js'
import { adviceOn, deprecatedFeatureIn } from '../../src/protocol/deprecated-feature.js'
import { ChannelClosedError, ConnectionClosedError } from '../../src/protocol/errors.js'

/** From RabbitMQ 4.0.5, whose operator has taken the permission away. */
const DENIED =
  'INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\n' +
  'Its use is not permitted per the configuration (overriding the default, which is permitted):\n' +
  '    "deprecated_features.permit.transient_nonexcl_queues = false"\n' +
  'Its use will not be permit...'

describe('deprecatedFeatureIn', () => {
  it('finds the name of the feature', () => {
    expect(deprecatedFeatureIn(541, DENIED)).to.equal('transient_nonexcl_queues')
  })

  for (const [code, text] of [
    [541, 'INTERNAL_ERROR'],
    [541, undefined],
    [541, 'INTERNAL_ERROR - Feature `'],
    [406, DENIED],
    [undefined, DENIED],
  ] as const) {
    it(`finds none in ${code} ${text?.slice(0, 30)}`, () => {
      expect(deprecatedFeatureIn(code, text)).to.equal(undefined)
    })
  }
})

describe('adviceOn', () => {
  it('says what to do instead, and how to have it permitted', () => {
    expect(adviceOn('transient_nonexcl_queues')).to.equal(
      'declare the queue durable, or exclusive, or permit it with ' +
        'deprecated_features.permit.transient_nonexcl_queues in rabbitmq.conf',
    )
    for (const feature of ['ram_node_type', 'constructor']) {
      expect(adviceOn(feature)).to.equal(
        `permit it with deprecated_features.permit.${feature} in rabbitmq.conf`,
      )
    }
  })
})

describe('a close for a deprecated feature', () => {
  const reason = { by: 'server', code: 541, text: DENIED, method: 'queue.declare' } as const

  it('is told with what to do about it', () => {
    expect(describeReason(reason)).to.match(
      /^closed by the server: 541 .* \(queue\.declare\): declare the queue durable/s,
    )
  })

  it('names the feature on the errors of its connection and its channels', () => {
    for (const error of [new ConnectionClosedError(reason), new ChannelClosedError(reason, 1)]) {
      expect(error.deprecatedFeature).to.equal('transient_nonexcl_queues')
      expect(error.message).to.include('declare the queue durable, or exclusive')
    }
    const other = { ...reason, text: 'INTERNAL_ERROR' }
    expect(new ConnectionClosedError(other).deprecatedFeature).to.equal(undefined)
    expect(new ChannelClosedError(other, 1).deprecatedFeature).to.equal(undefined)
  })
})
