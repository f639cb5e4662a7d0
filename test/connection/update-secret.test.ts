import { getEventListeners } from 'node:events'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { ArgumentError, CallTimeoutError, ConnectionClosedError } from '../../src/index.js'
import type { Method } from '../../src/protocol/method-types.js'
import { VirtualPeer } from '../support/peer/virtual-peer.js'
import { within } from '../support/rabbitmq/deadline.js'
import { rejectionOf } from '../support/rejection.js'
import { answerAll } from './every-call.js'

const SECRET = 'hunter2 π'

describe('updateSecret', () => {
  let virtual: Awaited<ReturnType<typeof VirtualPeer.open>>
  let asked: Method[]

  beforeEach(async () => {
    virtual = await VirtualPeer.open({ connect: { heartbeat: 0 } })
    asked = answerAll(virtual.peer)
  })

  afterEach(async () => {
    const closing = virtual.connection.close()
    await virtual.clock.advance(6_000)
    await within(1_000, 'close()', closing)
  })

  it('sends the secret, text as UTF-8 or octets as they are, and resolves when the broker has taken it', async () => {
    const { connection } = virtual
    expect(await within(1_000, 'updateSecret', connection.updateSecret(SECRET))).to.equal(undefined)
    const octets = new Uint8Array([0, 255, 128])
    await within(1_000, 'updateSecret', connection.updateSecret(octets.subarray(1), 'it expires'))
    expect(asked).to.deep.equal([
      { name: 'connection.update-secret', args: { newSecret: Buffer.from(SECRET), reason: '' } },
      {
        name: 'connection.update-secret',
        args: { newSecret: Buffer.from([255, 128]), reason: 'it expires' },
      },
    ])
  })

  it('has the limits of every call', async () => {
    const { connection, peer, clock } = virtual
    const reason = new Error('enough')
    const before = connection.updateSecret(SECRET, '', { signal: AbortSignal.abort(reason) })
    expect(await rejectionOf(before, Error)).to.equal(reason)
    await clock.settle()
    expect(asked).to.deep.equal([])
    peer.on('connection.update-secret', () => undefined)
    const controller = new AbortController()
    const aborted = connection.updateSecret(SECRET, '', { signal: controller.signal })
    const slow = rejectionOf(connection.updateSecret(SECRET, '', { timeout: 100 }), CallTimeoutError)
    await clock.settle()
    controller.abort(reason)
    expect(await rejectionOf(aborted, Error)).to.equal(reason)
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([])
    await clock.advance(100)
    await slow
    expect(connection.state).to.equal('open')
  })

  it('refuses what is no secret and no reason, and never shows what it was given', async () => {
    const { connection } = virtual
    for (const [secret, reason, options, path] of [
      [undefined, '', {}, 'secret'],
      [5, '', {}, 'secret'],
      [[SECRET], '', {}, 'secret'],
      [SECRET, 'x'.repeat(256), {}, 'reason'],
      [SECRET, null, {}, 'reason'],
      [SECRET, '', { timeout: 0 }, 'options.timeout'],
      [SECRET, '', null, 'options'],
    ] as const) {
      const error = await rejectionOf(
        connection.updateSecret(secret as never, reason as never, options as never),
        ArgumentError,
      )
      expect(error.path).to.equal(path)
      expect(inspect(error)).to.not.include(SECRET)
    }
    expect(asked).to.deep.equal([])
  })

  it('rejects when the broker refuses the secret, which ends the connection', async () => {
    const { connection, peer } = virtual
    peer.on('connection.update-secret', () => {
      const args = { replyCode: 530, replyText: 'NOT_ALLOWED', classId: 10, methodId: 70 }
      peer.send(0, { name: 'connection.close', args })
    })
    const error = await rejectionOf(connection.updateSecret(SECRET), ConnectionClosedError)
    expect(error).to.include({ replyCode: 530 })
    expect(inspect(error)).to.not.include(SECRET)
    await rejectionOf(connection.updateSecret(SECRET), ConnectionClosedError)
  })
})
