import { expect } from 'chai'
import fc from 'fast-check'
import { CommandQueue } from '../../src/protocol/command-queue.js'
import type { Timed } from '../../src/protocol/deadline-order.js'

type Step =
  | { readonly push: keyof typeof PATIENCE; readonly octets: number }
  | 'shift'
  | 'drain'
  | { readonly removes: number }
  | { readonly wait: number }

/** A command with something to know it by. */
interface Sized extends Timed {
  readonly octets: number
}

/** How long each kind waits. Nobody waits for a publish on a plain channel. */
const PATIENCE = { call: 20, publish: 30, plain: Number.POSITIVE_INFINITY }

/** A command that counts how often it is asked when it stops waiting. */
function watched(deadline: number): Timed & { readonly octets: number; asked: number } {
  const command = {
    octets: 1,
    asked: 0,
    get deadline() {
      command.asked++
      return deadline
    },
  }
  return command
}

describe('CommandQueue', () => {
  it('is empty at first', () => {
    const queue = new CommandQueue()
    expect(queue.isEmpty).to.equal(true)
    expect(queue.first).to.equal(undefined)
    expect(queue.shift()).to.equal(undefined)
    expect(queue.expire(Number.MAX_VALUE)).to.deep.equal([])
    expect(queue.nextDeadline).to.equal(Number.POSITIVE_INFINITY)
  })

  it('behaves like an array, whatever waits, expires and goes', () => {
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 5, arbitrary: fc.record({ push: fc.constant('publish' as const), octets: fc.nat(1000) }) },
      { weight: 1, arbitrary: fc.record({ push: fc.constant('plain' as const), octets: fc.nat(1000) }) },
      { weight: 2, arbitrary: fc.record({ push: fc.constant('call' as const), octets: fc.nat(1000) }) },
      { weight: 3, arbitrary: fc.constant('shift' as const) },
      { weight: 2, arbitrary: fc.record({ wait: fc.nat(12) }) },
      { weight: 1, arbitrary: fc.constant('drain' as const) },
      { weight: 2, arbitrary: fc.record({ removes: fc.integer({ min: 2, max: 5 }) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), steps => {
        const queue = new CommandQueue<Sized>()
        let model: Sized[] = []
        let now = 0
        for (const next of steps) {
          if (next === 'shift') {
            expect(queue.shift()).to.equal(model.shift())
          } else if (next === 'drain') {
            expect(queue.drain()).to.deep.equal(model)
            model = []
          } else if ('removes' in next) {
            const isToGo = ({ octets }: Sized): boolean => octets % next.removes === 0
            expect(queue.remove(isToGo)).to.deep.equal(model.filter(isToGo))
            model = model.filter(command => !isToGo(command))
          } else if ('push' in next) {
            const command = { octets: next.octets, deadline: now + PATIENCE[next.push] }
            queue.push(command)
            model.push(command)
          } else {
            now += next.wait
            expect(queue.expire(now)).to.deep.equal(model.filter(command => command.deadline <= now))
            model = model.filter(command => command.deadline > now)
          }
          expect(queue.first).to.equal(model[0])
          expect(queue.isEmpty).to.equal(model.length === 0)
          expect(queue.nextDeadline).to.equal(Math.min(...model.map(command => command.deadline)))
        }
      }),
    )
  })

  it('keeps no command that has gone', () => {
    const queue = new CommandQueue<Sized>()
    for (let index = 0; index < 10; index++) queue.push({ octets: index, deadline: index })
    queue.shift()
    expect(queue.drain().map(command => command.octets)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('leaves a command that is given more time where it stands', () => {
    const queue = new CommandQueue<{ octets: number; deadline: number }>()
    const commands = [10, 20, 30, 40].map(deadline => ({ octets: 1, deadline }))
    for (const command of commands) queue.push(command)
    const [first, second, third, last] = commands
    const renew = (command: { octets: number; deadline: number }): boolean => {
      if (command !== second) return false
      command.deadline = 100
      return true
    }
    expect(queue.expire(30, renew)).to.deep.equal([first, third])
    expect(queue.nextDeadline).to.equal(40)
    expect(queue.expire(40, renew)).to.deep.equal([last])
    expect(queue.drain()).to.deep.equal([second])
  })

  it('lets those behind expire also when the first is given a little more time', () => {
    const queue = new CommandQueue<{ octets: number; deadline: number }>()
    const [first, second, last] = [10, 20, 90].map(deadline => ({ octets: 1, deadline }))
    for (const command of [first, second, last]) if (command !== undefined) queue.push(command)
    const renew = (command: { octets: number; deadline: number }): boolean => {
      if (command !== first) return false
      command.deadline = 50
      return true
    }
    expect(queue.expire(20, renew)).to.deep.equal([second])
    expect(queue.nextDeadline).to.equal(50)
  })

  it('asks of each command once, in order, whether it is to go', () => {
    const queue = new CommandQueue<Sized>()
    const commands = [3, 1, 2].map(octets => ({ octets, deadline: 0 }))
    for (const command of commands) queue.push(command)
    const asked: Timed[] = []
    const removed = queue.remove(command => {
      asked.push(command)
      return command.octets > 1
    })
    expect(asked).to.deep.equal(commands)
    expect(removed).to.deep.equal([commands[0], commands[2]])
  })

  it('finds what expires in order again once what was out of order is removed', () => {
    const queue = new CommandQueue<Sized>()
    const [late, soon, next] = [90, 10, 20].map(deadline => ({ octets: 1, deadline }))
    for (const command of [late, soon, next]) if (command !== undefined) queue.push(command)
    expect(queue.nextDeadline).to.equal(10)
    expect(queue.remove(command => command === late)).to.deep.equal([late])
    expect(queue.nextDeadline).to.equal(10)
    expect(queue.expire(10)).to.deep.equal([soon])
    expect(queue.expire(20)).to.deep.equal([next])
  })

  it('looks no further than to the first that waits on, as long as they come in the order of their deadlines', () => {
    const queue = new CommandQueue<ReturnType<typeof watched>>()
    // Out of order first: that is forgotten when none of them waits any more.
    for (const deadline of [900, 800]) queue.push(watched(deadline))
    expect(queue.nextDeadline).to.equal(800)
    queue.drain()
    const never = watched(Number.POSITIVE_INFINITY)
    const commands = [10, 10, 20, 30, 30, 40].map(watched)
    for (const command of [...commands.slice(0, 2), never, ...commands.slice(2)]) queue.push(command)
    for (const command of commands) command.asked = 0
    expect(queue.nextDeadline).to.equal(10)
    expect(queue.expire(9)).to.deep.equal([])
    expect(queue.expire(10)).to.deep.equal(commands.slice(0, 2))
    expect(queue.nextDeadline).to.equal(20)
    expect(commands.slice(3).map(({ asked }) => asked)).to.deep.equal([0, 0, 0])
  })

  it('takes a hundred thousand commands from its head, and lets as many expire one by one, in linear time', () => {
    const queue = new CommandQueue<Sized>()
    const count = 100_000
    for (let index = 0; index < count; index++) queue.push({ octets: 1, deadline: index })
    for (let index = 0; index < count / 2; index++) {
      if (queue.shift()?.deadline !== index) expect.fail('out of order')
    }
    for (let now = count / 2; now < count; now++) {
      if (queue.expire(now).length !== 1 || queue.nextDeadline <= now) expect.fail('not expired in order')
    }
    expect(queue.isEmpty).to.equal(true)
  })
})
