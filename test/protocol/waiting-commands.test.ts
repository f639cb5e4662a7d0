import { expect } from 'chai'
import { type Command, PublishCommand } from '../../src/protocol/channel-commands.js'
import { ENDLESS } from '../../src/protocol/publish-terms.js'
import { WaitingCommands } from '../../src/protocol/waiting-commands.js'

const FRAMES = Buffer.alloc(40)

function call(name: 'tx.commit' | 'queue.purge', octets: number): Command {
  const method = { name, args: { queue: 'q', noWait: false } }
  const steps = [{ method, frames: FRAMES }] as unknown as Extract<Command, { kind: 'call' }>['steps']
  return { kind: 'call', token: {}, steps, step: 0, deadline: 1, timeoutMs: 1, abandoned: false, octets }
}

function publish(token: object | undefined): PublishCommand {
  const publishing = {
    exchange: '',
    routingKey: 'q',
    mandatory: false,
    properties: {},
    body: Buffer.alloc(9),
  }
  return new PublishCommand(token, false, publishing, FRAMES, ENDLESS)
}

describe('WaitingCommands', () => {
  it('counts each kind by what is asked about it, up and down', () => {
    const waiting = new WaitingCommands()
    const method = { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } } as const
    const commands: Command[] = [
      call('tx.commit', 100),
      call('queue.purge', 11),
      publish(undefined),
      publish({}),
      { kind: 'settlement', method, deadline: 1, octets: 5 },
      { kind: 'confirmWait', token: {}, deadline: 1, octets: 7 },
    ]
    for (const command of commands) waiting.count(command, 1)
    const expected = { callOctets: 111, exclusives: 1, settlements: 1, publishes: 2, tokenless: 1 }
    expect({ ...waiting }).to.deep.equal(expected)
    for (const command of commands) waiting.count(command, -1)
    expect({ ...waiting }).to.deep.equal({ ...new WaitingCommands() })
  })
})
