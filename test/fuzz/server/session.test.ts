import { expect } from 'chai'
import { describeOutcome } from '../promise-ledger.js'
import { endOf, judge } from './judge.js'
import { Session } from './session.js'

/** From here on there are sessions of every kind. */
const SEED = 1_000

async function lived(seed: number): Promise<Session> {
  const session = new Session(seed)
  await session.run()
  return session
}

/** The first session that is as it should be. */
async function find(isIt: (session: Session) => boolean): Promise<Session> {
  for (let seed = SEED; seed < SEED + 2_000; seed++) {
    const session = await lived(seed)
    if (isIt(session)) return session
  }
  throw new Error('there is no such session')
}

describe('A session with a bad server', () => {
  it('is the same from the same seed', async () => {
    const account = ({ aim, states, mischiefs, server, outcomes }: Session): unknown => [
      aim,
      states,
      mischiefs,
      server.received,
      outcomes.map(describeOutcome),
    ]
    for (let seed = SEED; seed < SEED + 20; seed++) {
      expect(account(await lived(seed)), `seed ${seed}`).to.deep.equal(account(await lived(seed)))
    }
  })

  it('goes right to its end when the server is good, now and then', async () => {
    const session = await find(({ server, outcomes }) => server.honest && outcomes.length > 20)
    expect(judge(session)).to.deep.equal([])
    expect(endOf(session)?.by).to.equal('client')
    expect(session.mischiefs).to.deep.equal([])
  })

  const isBad = (session: Session): boolean => session.isPlain && endOf(session)?.by === 'protocol'

  for (const [what, spoil, pattern] of [
    [
      'a promise that pends',
      (session: Session) => {
        session.outcomes = [...session.outcomes, { what: 'get', state: 'pending' }]
      },
      /^pends for ever: get$/,
    ],
    [
      'an error that is none of ours',
      (session: Session) => {
        session.outcomes = [...session.outcomes, { what: 'get', state: 'rejected', error: new Error('no') }]
      },
      /^get: rejected with something else/,
    ],
    [
      'a timer that is left',
      (session: Session) => void session.clock.startTimer(() => {}, 1_000),
      /^timers after closed: in 1000 ms$/,
    ],
    [
      'a write behind the end',
      (session: Session) => void session.stream.writes.push(Buffer.alloc(1)),
      /^a write after closed$/,
    ],
    [
      'an event behind the end',
      (session: Session) => void session.application.lateEvents.push('blocked'),
      /^an event after/,
    ],
    [
      'something that is thrown',
      (session: Session) => void session.application.thrown.push(new Error('no')),
      /^thrown: /,
    ],
    [
      'octets that are no AMQP',
      (session: Session) => void session.server.blames.push('nonsense'),
      /^the client sent nonsense$/,
    ],
    [
      'an end that is told as another',
      (session: Session) => {
        session.server.closedWith = { replyCode: 599, replyText: '', classId: 0, methodId: 0 }
      },
      /^closed with 599, told as protocol 5/,
    ],
    [
      'too much that waited',
      (session: Session) => {
        session.bufferedMost = 1e12
      },
      /octets waited to be sent$/,
    ],
  ] as const) {
    it(`is found to be wrong by ${what}`, async () => {
      const session = await find(isBad)
      expect(judge(session)).to.deep.equal([])
      spoil(session)
      expect(judge(session)).to.have.lengthOf(1)
      expect(judge(session)[0]).to.match(pattern)
    })
  }
})
