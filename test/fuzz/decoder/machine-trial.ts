// One input, sent to a whole ConnectionProtocol in a state of its life, and then an end: by time, by a close, by settling and
// more commands, or by a cut. What is looked at is in Machine and Outgoing.

import { Random } from '../random.js'
import { LIMITS, Machine } from './machine.js'
import { publish, STAGES } from './machine-stages.js'
import { mix, mixText } from './signature.js'
import { Tally } from './tally.js'

const STAGE_NAMES = Object.keys(STAGES)
const STATES = [
  ...['awaitingStart', 'awaitingTune', 'awaitingOpenOk', 'open', 'draining', 'closing', 'ending', 'closed'],
] as const
const CAUSES = ['client', 'server', 'transport', 'heartbeat', 'protocol'] as const
/** Longer than every timeout there is, so that all that has one is over. */
const LONG_MS = 60_000
const PIECES = 40
/** Of all machines, those of which a twin gets the same octets whole. */
const TWINS_SHARE = 0.25
/** Here it matters when the peer is seen not to read: at the end of each chunk. */
const NO_TWINS = 'flooded with answers'

export class MachineTrial {
  readonly stages = new Tally('state machines met while', STAGE_NAMES)
  readonly states = new Tally('states of machines after the input', STATES)
  readonly ends = new Tally('ends of machines', CAUSES)
  /** What came of the last input, for the choice of what to keep. */
  signature = 0

  /** What is wrong with how the machine takes the octets, or undefined. The plan says when, in which pieces, and what follows. */
  judge(octets: Buffer, plan: number): string | undefined {
    const random = new Random(plan)
    const stage = random.below(STAGE_NAMES.length)
    const name = STAGE_NAMES[stage] as string
    this.stages.count(stage)
    const machine = this.#leadTo(stage)
    if (machine.complaint !== undefined) return `${name}: already ${machine.complaint}`
    this.#send(machine, octets, random)
    const { state } = machine.protocol
    if (name !== NO_TWINS && random.chance(TWINS_SHARE)) {
      const twin = this.#leadTo(stage)
      twin.receive(Buffer.from(octets))
      const [told, toldWhole] = [machine, twin].map(outcomeOf)
      if (told !== toldWhole) return `${name}: in chunks ${told}, as a whole ${toldWhole}`
    }
    this.states.count(STATES.indexOf(state))
    this.signature = mixText(machine.signature, state)
    random.pick(ENDINGS)(machine, random)
    machine.cut()
    if (machine.closed !== undefined)
      this.ends.count(CAUSES.indexOf(machine.closed.by as (typeof CAUSES)[number]))
    this.signature = mix(this.signature, stage)
    return machine.complaint === undefined ? undefined : `${name}: ${machine.complaint}`
  }

  #leadTo(stage: number): Machine {
    const machine = new Machine()
    STAGES[STAGE_NAMES[stage] as string]?.(machine)
    machine.signature = stage
    return machine
  }

  /** Lent, and destroyed when it has been read. */
  #send(machine: Machine, octets: Buffer, random: Random): void {
    const most = random.chance(0.5) ? octets.length : PIECES
    for (let at = 0; at < octets.length; ) {
      const chunk = Buffer.from(octets.subarray(at, at + 1 + random.below(most)))
      machine.receive(chunk)
      at += chunk.length
      chunk.fill(0xff)
    }
  }
}

/** All that was told, in a number, and the end in words. */
function outcomeOf({ protocol, signature, closed }: Machine): string {
  return `${protocol.state}, ${signature}: ${closed?.by} ${closed?.code} ${closed?.text}`
}

type Ending = (machine: Machine, random: Random) => void

const cut: Ending = () => undefined

const close: Ending = machine => {
  machine.reads = true
  machine.settle()
  machine.tell('close', () => machine.protocol.close(machine.now))
  machine.advance(LIMITS.closeTimeoutMs + LONG_MS)
}

/** The peer falls silent: a heartbeat is on, so that ends it, unless it is not open yet. */
const wait: Ending = machine => machine.advance(LONG_MS)

const settle: Ending = (machine, random) => {
  for (const delivery of machine.deliveries) {
    machine.tell('a settlement', () => {
      if (random.chance(0.3)) return delivery.life.giveBack(delivery)
      const multiple = random.chance(0.3)
      delivery.life.settle(delivery.deliveryTag, { kind: 'ack', multiple })
    })
    // Built when somebody first asks: the octets were validated when they came.
    machine.tell('reading properties', () => void delivery.content.properties)
  }
  close(machine, random)
}

const goOn: Ending = (machine, random) => {
  machine.reads = true
  machine.settle()
  for (const channel of machine.channels) {
    publish(machine, channel, 'more', random.chance(0.5))
    const { now } = machine
    machine.command('queue.purge', token => {
      channel.call({ name: 'queue.purge', args: { queue: 'q', noWait: false } }, token, now)
    })
    if (random.chance(0.3)) machine.tell('channel.close', () => channel.close(now))
  }
  machine.protocol.sendHeartbeat()
  machine.advance(random.below(2 * LIMITS.rpcTimeoutMs))
}

const ENDINGS: readonly Ending[] = [cut, close, wait, settle, goOn]
