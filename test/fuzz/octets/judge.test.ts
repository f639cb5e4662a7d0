import { expect } from 'chai'
import type { Outcome } from '../promise-ledger.js'
import { WIRE_METHOD, wireFrame } from '../wire.js'
import { CheckedSession, type Handed } from './checked-session.js'
import { type Ended, faultsOfHit, faultsOfLife, faultsOfUnharmed, type Hit } from './judge.js'
import { numberedMessage } from './message.js'
import type { Mutation } from './mutation.js'
import { type Part, StreamMap } from './stream-map.js'

const CLEAN = { by: 'client' } as const
/** basic.ack of tag 1 on channel 1, and nothing else: enough of a server for one confirm. */
const SAID = wireFrame(WIRE_METHOD, 1, Buffer.from('003c0050000000000000000100', 'hex'))
const FLIP: Mutation = { kind: 'flip', bit: 0, offset: 0 }

/** Two messages published with confirms and handed over as they were, of which the first is confirmed. */
function ended(change: (handed: Handed[]) => Handed[] = handed => handed): Ended {
  const session = new CheckedSession()
  const messages = [0, 1].map(number => numberedMessage(number, 'q'))
  messages.forEach((message, index) => {
    session.published.push({ message, confirmTag: index + 1, promise: Promise.resolve() })
  })
  const handed = messages.map(({ body, options }, index) => {
    const properties = JSON.stringify(options, (_, each: unknown) => sorted(each))
    return {
      by: 'handled',
      deliveryTag: index + 1,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
      properties,
      body,
    }
  })
  session.handed.push(...change(handed))
  const outcomes: Outcome[] = [
    { what: 'publish', state: 'resolved', value: undefined },
    { what: 'publish', state: 'pending' },
  ]
  return { session, outcomes, reason: CLEAN }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function hit(part: Part, method = 'basic.deliver'): Hit {
  return { mutation: FLIP, said: SAID, map: StreamMap.of(SAID), place: { part, method } }
}

function changed(handed: Handed[], index: number, what: Partial<Handed>): Handed[] {
  return handed.map((each, at) => (at === index ? { ...each, ...what } : each))
}

/** The body of the second message, with so many octets changed. */
function bodyApart(octets: number): Buffer {
  const body = Buffer.from(numberedMessage(1, 'q').body)
  for (let at = 0; at < octets; at++) body.writeUInt8(body.readUInt8(at) ^ 1, at)
  return body
}

describe('The judge of changed octets', () => {
  it('has nothing to say of a session in which the one message that was hit is another', () => {
    const golden = ended()
    expect(faultsOfHit(golden, hit('content header'), golden)).to.deep.equal([])
    const one = ended(handed => changed(handed, 1, { body: bodyApart(1) }))
    expect(faultsOfHit(one, hit('body'), golden)).to.deep.equal([])
  })

  for (const [what, part, change, pattern] of [
    [
      'two messages that are wrong',
      'channel number',
      (all: Handed[]) => all.map(each => ({ ...each, routingKey: 'x' })),
      /^not as published/,
    ],
    [
      'more than one octet of a body',
      'body',
      (all: Handed[]) => changed(all, 1, { body: bodyApart(2) }),
      /changes 2 octets/,
    ],
    [
      'a property beside a body',
      'body',
      (all: Handed[]) => changed(all, 1, { routingKey: 'x' }),
      /routing key/,
    ],
    [
      'a body that a property changes',
      'content header',
      (all: Handed[]) => changed(all, 1, { body: bodyApart(1) }),
      /changes a body/,
    ],
    [
      'a message that comes twice',
      'channel number',
      (all: Handed[]) => [...all, { ...all[1], deliveryTag: 3 } as Handed],
      /^message 1 behind 1/,
    ],
    [
      'a message that comes too late',
      'channel number',
      (all: Handed[]) => all.toReversed(),
      /^message 0 behind 1/,
    ],
    [
      'a tag that comes twice',
      'channel number',
      (all: Handed[]) => [...all, { ...all[1], redelivered: true } as Handed],
      /tag twice/,
    ],
    [
      'a frame without its end that nobody notices',
      'frame-end',
      (all: Handed[]) => all,
      /^nothing was noticed/,
    ],
  ] as const) {
    it(`finds ${what}`, () => {
      const faults = faultsOfHit(ended(change), hit(part), ended())
      expect(faults).to.have.lengthOf(1)
      expect(faults[0]).to.match(pattern)
    })
  }

  it('finds what is told as confirmed and is not, reading the confirm as it came', () => {
    const toTag3: Hit = {
      ...hit('confirm', 'basic.ack'),
      mutation: { kind: 'replace', octet: 3, offset: SAID.length - 3 },
    }
    expect(faultsOfHit(ended(), toTag3, ended())).to.deep.equal(['message 0 is told as confirmed and is not'])
  })

  it('finds what pends, and an end that is not clean, when nothing was changed', () => {
    expect(faultsOfLife(ended())).to.deep.equal(['pends for ever: publish'])
    const faults = faultsOfUnharmed({ ...ended(), reason: { by: 'transport' } })
    expect(faults.some(fault => fault.startsWith('an end that is not clean'))).to.equal(true)
  })
})
