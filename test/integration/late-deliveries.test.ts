import { expect } from 'chai'
import { ChannelClosedError } from '../../src/index.js'
import { BROKER_START_MS, LiveSession } from '../support/live-session.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'

const MESSAGES = 3_000
const ROUNDS = 5

describe('a channel that the broker closes while it delivers to it', () => {
  let session: LiveSession

  beforeEach(async function () {
    this.timeout(BROKER_START_MS)
    session = await LiveSession.open({ confirm: true })
  })

  afterEach(() => session.close())

  it('takes nothing else with it, though deliveries come behind its close', async function () {
    this.timeout(30_000)
    const { connection, channel } = session
    for (let round = 0; round < ROUNDS; round++) {
      const queue = await session.queue()
      const publishes = Array.from({ length: MESSAGES }, () => channel.publish('', queue, 'x'))
      const doomed = await connection.openChannel()
      const consuming = doomed.consume(queue, { prefetch: 0, autoSettle: false }, () => {})
      const error = await rejectionOf(doomed.get('no such queue'), ChannelClosedError)
      expect(error.replyCode).to.equal(404)
      await consuming.catch(() => {})
      await within(10_000, 'the confirms of the other channel', Promise.all(publishes))
      expect(connection.state).to.equal('open')
      expect(await channel.queueDelete(queue)).to.be.at.most(MESSAGES)
    }
  })
})
