import { expect } from 'chai'
import { type Command, PublishCommand } from '../../src/protocol/channel-commands.js'
import { ENDLESS } from '../../src/protocol/publish-terms.js'
import { WaitingCommands } from '../../src/protocol/waiting-commands.js'

const FRAMES = Buffer.alloc(40)

function call(name: 'tx.commit' | 'queue.purge', octets: number): Command {
  const args = { queue: 'q', noWait: false }
  const method = { name, args } as Extract<Command, { kind: 'call' }>['steps'][0]['method']
  const step = { method, frames: FRAMES }
  return {
    kind: 'call',
    token: {},
    steps: [step],
    step: 0,
    deadline: 1,
    timeoutMs: 1,
    abandoned: false,
    octets,
  }
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
    const plain = publish(undefined)
    const method = { name: 'basic.ack', args: { deliveryTag: 1, multiple: false } } as const
    const commands: Command[] = [
      call('tx.commit', 100),
      call('queue.purge', 11),
      plain,
      publish({}),
      { kind: 'settlement', method, deadline: 1, octets: 5 },
      { kind: 'confirmWait', token: {}, deadline: 1, octets: 7 },
    ]
    for (const command of commands) waiting.count(command, 1)
    expect({ ...waiting }).to.deep.equal({
      callOctets: 111,
      exclusives: 1,
      settlements: 1,
      publishes: 2,
      plain: 1,
      plainOctets: plain.octets,
    })
    for (const command of commands) waiting.count(command, -1)
    expect({ ...waiting }).to.deep.equal({ ...new WaitingCommands() })
  })
})
