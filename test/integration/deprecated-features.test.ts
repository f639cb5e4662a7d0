import { expect } from 'chai'
import { ChannelClosedError, ConnectionClosedError, connect } from '../../src/index.js'
import { within } from '../support/rabbitmq/deadline.js'
import {
  needsControl,
  RabbitMqNode,
  type RabbitMqSettings,
  sharedNode,
  sharedVersion,
} from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'

const CLOSED_WITHIN_MS = 5_000
/** What RabbitMQ 4.3 does by itself, and 3.13 to 4.2 when they are told to. */
const DENIED: RabbitMqSettings = {
  'deprecated_features.permit.transient_nonexcl_queues': false,
  'deprecated_features.permit.global_qos': false,
}

describe('what RabbitMQ does not permit any more', function () {
  this.timeout(90_000)
  let node: RabbitMqNode
  let canDeny: boolean

  before(async function () {
    needsControl(this)
    const [major = 0, minor = 0] = (await sharedVersion()).split('.').map(Number)
    canDeny = major > 3 || (major === 3 && minor >= 13)
    node = canDeny ? await RabbitMqNode.start({ settings: DENIED }) : await sharedNode(this)
  })

  after(async () => {
    if (canDeny) await node?.stop()
  })

  it('ends the connection, and the error says what it was and what to do', async () => {
    const connection = await connect(node.url)
    const channel = await connection.openChannel()
    const declaring = channel.queueDeclare('transient', { durable: false, exclusive: false })
    if (!canDeny) {
      expect(await declaring).to.include({ queue: 'transient' })
      await channel.queueDelete('transient')
      await connection.close()
      return
    }
    const refused = await rejectionOf(declaring, ChannelClosedError)
    const { error } = await within(CLOSED_WITHIN_MS, 'the end', connection.closed)
    expect(error).to.be.instanceOf(ConnectionClosedError)
    for (const told of [refused, error as ConnectionClosedError]) {
      expect(told).to.include({ replyCode: 541, method: 'queue.declare' })
      expect(told.deprecatedFeature).to.equal('transient_nonexcl_queues')
      expect(told.message).to.match(
        /: declare the queue durable, or exclusive, or permit it with deprecated_features/,
      )
    }
  })

  it('leaves alone what thump declares by default', async () => {
    const connection = await connect(node.url)
    const channel = await connection.openChannel({ confirm: true })
    await channel.queueDeclare('named')
    const { queue } = await channel.queueDeclare()
    await channel.publish('', queue, 'hello')
    expect(String((await channel.get(queue))?.body)).to.equal('hello')
    await channel.queueDelete('named')
    await connection.close()
  })

  it('is not told of a prefetch for the whole channel: the broker says yes', async () => {
    const connection = await connect(node.url)
    const channel = await connection.openChannel()
    await channel.prefetch(5, { global: true })
    await channel.queueDeclare()
    await connection.close()
  })
})
