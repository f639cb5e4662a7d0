import { expect } from 'chai'
import { captureNames, loadCapture } from '../../support/captures.js'
import { hex } from '../../support/hex.js'
import { Machine } from './machine.js'
import { STAGES } from './machine-stages.js'
import { MachineTrial } from './machine-trial.js'
import { meansSame, whyUnsendable } from './meaning.js'
import { Outgoing } from './outgoing.js'
import { TRIALS, Trials } from './trials.js'

describe('The trials', () => {
  it('complain of nothing that a broker said, however it is cut', () => {
    const trials = new Trials()
    for (const name of captureNames()) {
      // A large body is longer than an input may be.
      const octets = loadCapture(name).received.subarray(0, 4096)
      for (let plan = 0; plan < 20; plan++) {
        for (const trial of TRIALS)
          expect(trials.judge(trial, octets, plan), `${trial} of ${name}`).to.equal(undefined)
      }
    }
  })
})

describe('A state machine and its twin that gets the octets whole', () => {
  it('may differ in a publish that an unblocked lets leave before the violation behind it', () => {
    const purged = hex`01 0001 00000008 0032001f 00000000 ce`
    const blocked = hex`01 0000 00000015 000a003c 10 00000000000000000000000000000000 ce`
    const unblocked = hex`01 0000 00000004 000a003d ce`
    const getEmpty = hex`01 0000 00000006 003c0048 01 00 ce`
    const stream = Buffer.concat([purged, blocked, unblocked, getEmpty])
    // The first plan under which it was seen, and those around it.
    for (let plan = 3_155_142_000; plan < 3_155_142_500; plan++)
      expect(new MachineTrial().judge(stream, plan), `plan ${plan}`).to.equal(undefined)
  })
})

describe('A state machine for the fuzzer', () => {
  for (const [name, lead] of Object.entries(STAGES)) {
    it(`gets where it should without a complaint, and ends there without one: ${name}`, () => {
      const machine = new Machine()
      lead(machine)
      machine.cut()
      expect(machine.complaint).to.equal(undefined)
      expect(machine.protocol.state).to.equal('closed')
    })
  }

  it('complains of a token that is never settled', () => {
    const machine = new Machine()
    machine.command('nothing', () => undefined)
    machine.cut()
    expect(machine.complaint).to.equal('nothing is never settled')
  })

  it('complains of what a command throws, unless it is refused', () => {
    const machine = new Machine()
    machine.tell('open', () => void machine.protocol.openChannel({}, 1, {}, 0))
    expect(machine.complaint).to.equal(undefined)
    machine.tell('slip', () => {
      throw new RangeError('oops')
    })
    expect(machine.complaint).to.match(/^slip throws RangeError: oops/)
  })
})

describe('What a state machine sends', () => {
  const HEADER = hex`414d515000000901`
  const CLOSE = hex`01 0000 0000000b 000a0032 00c8 00 0000 0000 ce`
  const CLOSE_OK = hex`01 0000 00000004 000a0033 ce`
  const BEAT = hex`08 0000 00000000 ce`
  const CHANNEL_CLOSE = hex`01 0001 0000000b 00140028 00c8 00 0000 0000 ce`
  const ACK = hex`01 0001 0000000d 003c0050 0000000000000001 00 ce`

  const complaints: readonly (readonly [octets: Buffer, complaint: RegExp | undefined])[] = [
    [hex`${HEADER} ${BEAT} ${ACK} ${CHANNEL_CLOSE} ${CLOSE} ${BEAT} ${CLOSE_OK}`, undefined],
    [hex`${BEAT}`, /^begins with 08/],
    [hex`${HEADER} 01`, /^sends what is no frame/],
    [hex`${HEADER} ${CLOSE} ${CLOSE}`, /behind connection.close$/],
    [hex`${HEADER} ${CLOSE} ${ACK}`, /behind connection.close$/],
    [hex`${HEADER} ${CLOSE_OK} ${BEAT}`, /behind connection.close-ok$/],
    [hex`${HEADER} ${CHANNEL_CLOSE} ${ACK}`, /behind channel.close on 1$/],
    [hex`${HEADER} 01 0000 0000000b 000a0032 021d 00 0000 0000 ce`, /^closes the connection with 541$/],
    [hex`${HEADER} 01 0001 0000000b 00140028 0194 00 0000 0000 ce`, /^closes a channel with 404$/],
  ]
  for (const [octets, complaint] of complaints) {
    it(`is ${complaint === undefined ? 'good' : `wrong (${complaint.source})`}: ${octets.toString('hex').slice(16, 60)}`, () => {
      const found = new Outgoing().judge(octets)
      if (complaint === undefined) expect(found).to.equal(undefined)
      else expect(found).to.match(complaint)
    })
  }
})

describe('The meaning of values', () => {
  it('is the same for equal ones, and for both zeros', () => {
    expect(meansSame({ a: [1, Buffer.of(1), { b: -0 }] }, { a: [1, Buffer.of(1), { b: 0 }] })).to.equal(true)
    expect(meansSame({ a: 1 }, { a: 1n })).to.equal(false)
    expect(meansSame([Number.NaN], [Number.NaN])).to.equal(true)
  })

  it('cannot be sent when a number in it is not finite, or octets in it were replaced', () => {
    expect(whyUnsendable({ a: [1, 'b', null, new Date(0), Buffer.of(1)] })).to.equal(undefined)
    expect(whyUnsendable({ a: [{ b: Number.NaN }] })).to.equal('not finite')
    expect(whyUnsendable({ '\ufffd': 1 })).to.equal('not UTF-8')
  })
})
