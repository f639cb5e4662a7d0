import { expect } from 'chai'
import { callForNobody } from '../../src/protocol/channel-commands.js'
import type { ChannelLink } from '../../src/protocol/channel-link.js'
import { callTimedOut, overfull, waitTimedOut, windowClause } from '../../src/protocol/command-errors.js'

const ENDPOINT = { connectionName: 'orders', localPort: 54_321 }

function linkThat(blocked?: string): ChannelLink {
  const limits = { confirmTimeoutMs: 30_000, maxBuffered: 1_000 }
  return { endpoint: ENDPOINT, limits, blocked } as unknown as ChannelLink
}

describe('The errors of commands', () => {
  const method = { name: 'queue.purge', args: { queue: 'q', noWait: false } } as const
  const call = { ...callForNobody({ method, frames: Buffer.alloc(0) }), timeoutMs: 20_000 }

  it('say what a call has waited for, how long, and that the broker blocks', () => {
    const error = callTimedOut(call, 'no reply', linkThat('low on memory'))
    expect(error).to.include({ ...ENDPOINT, method: 'queue.purge', code: 'AMQP_CALL_TIMEOUT' })
    const blocked = '; the broker blocks the connection: low on memory'
    expect(error.message).to.equal(`queue.purge: no reply within 20000 ms${blocked}`)
    expect(callTimedOut(call, 'not sent', linkThat()).message).to.equal(
      'queue.purge: not sent within 20000 ms',
    )
    const wait = 'waitForConfirms: what was issued before was not sent within 30000 ms'
    expect(waitTimedOut(linkThat('low on memory')).message).to.equal(`${wait}${blocked}`)
  })

  it('say how much is too much', () => {
    const error = overfull('a body', 600, 500, linkThat())
    expect(error).to.include({ ...ENDPOINT, code: 'AMQP_BACKPRESSURE', outcome: 'not-sent' })
    expect(error.message).to.equal(
      'a body of 600 octets would join 500 that wait to be sent; the limit is 1000',
    )
  })

  it('say that the window is full, when it is', () => {
    expect(windowClause(9, 10)).to.equal('')
    expect(windowClause(10, 10)).to.equal("; 10 others wait for the broker's confirm")
  })
})
