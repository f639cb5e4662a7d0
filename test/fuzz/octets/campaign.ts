// Sessions with a broker whose octets are changed on the way: in most of them one thing, at a place of every kind in turn, in some of
// them several. Where the places are is learned from a session that is left alone. The sessions go on side by side, because
// most of each is waiting for what will not come; a broker cuts its octets into chunks and contents as it likes, so a seed
// repeats what is done, not what comes of it.

import { inspect } from 'node:util'
import type { CloseReason } from '../../../src/index.js'
import { describeStray, Strays } from '../../support/invariants/strays.js'
import { within } from '../../support/rabbitmq/deadline.js'
import { sharedBroker } from '../../support/rabbitmq/index.js'
import { type Campaign, type Effort, ENOUGH_FINDINGS, type Report } from '../campaign.js'
import { Histogram } from '../histogram.js'
import { verdictOf } from '../promise-ledger.js'
import { Random } from '../random.js'
import { CheckedSession } from './checked-session.js'
import {
  changes,
  type Ended,
  faultsOfHit,
  faultsOfLife,
  faultsOfUnharmed,
  type Hit,
  isClean,
  strange,
} from './judge.js'
import { type Attack, MutatingProxy } from './mutating-proxy.js'
import { anyChange } from './mutation.js'
import { PARTS, type Part, type StreamMap } from './stream-map.js'

const SHORT_RUN = 200
const AT_A_TIME = 32
/** Every wait of a session has an end of its own; this is above all of them together. */
const SESSION_LIMIT_MS = 30_000
/** Of so many sessions several things are changed, and only that they live and end is judged. */
const SEVERAL_SHARE = 0.15
const SEVERAL_MAX = 3
/** So often every part has its turn, however little of it there is. */
const TURN_SHARE = 0.2
const DOMINANCE_MAX = 0.6
const PROGRESS_EVERY = 500
const NOT_SAID = 'nothing: the session was over before'

/** Where to hit, in comparison. */
const AIMS: Readonly<Record<Part, number>> = {
  handshake: 6,
  'frame type': 2,
  'channel number': 3,
  'frame size': 2,
  method: 10,
  confirm: 4,
  'content header': 8,
  body: 8,
  heartbeat: 2,
  'frame-end': 2,
}

export const octetsCampaign: Campaign = {
  name: 'octets',
  title: 'sessions with a broker whose octets are changed on the way',
  unit: 'sessions',
  shortRun: SHORT_RUN,
  async run(effort: Effort): Promise<Report> {
    const { hostname, port } = new URL((await sharedBroker()).url)
    return await new OctetsRun(effort, { host: hostname, port: Number(port || 5672) }).run()
  },
}

interface Target {
  readonly host: string
  readonly port: number
}

interface Lived {
  readonly ended: Ended
  readonly proxy: MutatingProxy
}

class OctetsRun {
  readonly #effort: Effort
  readonly #target: Target
  readonly #findings: string[] = []
  readonly #places = new Histogram('what was hit')
  readonly #kinds = new Histogram('what was done')
  readonly #ends = new Histogram('ends')
  readonly #notices = new Histogram('what the client noticed of one change')
  #tried = 0

  constructor(effort: Effort, target: Target) {
    this.#effort = effort
    this.#target = target
  }

  async run(): Promise<Report> {
    const { cases } = this.#effort
    const { ended: golden, proxy } = await this.#live([], true)
    for (const fault of faultsOfUnharmed(golden)) this.#findings.push(`with nothing changed: ${fault}`)
    const worker = async (): Promise<void> => {
      while (this.#tried < cases && this.#findings.length < ENOUGH_FINDINGS)
        await this.#try(this.#tried++, golden, proxy.map)
    }
    const strays = new Strays()
    const onException = (error: unknown): void => strays.noteException(error)
    strays.enable()
    process.on('uncaughtException', onException)
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, worker))
    } finally {
      process.off('uncaughtException', onException)
      strays.disable()
    }
    this.#findings.push(...strays.take().map(describeStray))
    if (cases >= SHORT_RUN && this.#findings.length === 0) this.#expectVariety()
    const histograms = [this.#places, this.#kinds, this.#ends, this.#notices]
    return { cases: this.#tried, histograms, findings: this.#findings }
  }

  async #try(number: number, golden: Ended, learned: StreamMap): Promise<void> {
    const { seed, progress } = this.#effort
    const random = new Random(seed + number)
    const times = random.chance(SEVERAL_SHARE) ? random.between(2, SEVERAL_MAX) : 1
    const attacks = Array.from({ length: times }, () => anyAttack(random, seed + number, learned))
    const noteFaults = (faults: readonly string[]): void => {
      const what = inspect(attacks, { breakLength: Number.POSITIVE_INFINITY })
      if (faults.length > 0)
        this.#findings.push(`--seed ${seed + number} --cases 1 (${what}): ${faults.join('; ')}`)
    }
    try {
      const { ended, proxy } = await this.#live(attacks)
      noteFaults([...faultsOfLife(ended), ...this.#judge(ended, attacks, proxy, golden)])
    } catch (error) {
      noteFaults([String(error)])
    }
    if ((number + 1) % PROGRESS_EVERY === 0)
      progress?.(`${number + 1} sessions, ${this.#findings.length} findings`)
  }

  /** What was done is counted, and judged when it was one thing. */
  #judge(ended: Ended, attacks: readonly Attack[], proxy: MutatingProxy, golden: Ended): string[] {
    const { map, mutations, said } = proxy
    for (const { change, part } of attacks) {
      this.#kinds.count(change.kind)
      if (attacks.length === 1) this.#places.count(mutations.length === 0 ? NOT_SAID : part)
    }
    this.#ends.count(describeEnd(ended))
    if (attacks.length > 1) return []
    const [mutation] = mutations
    const place = mutation === undefined ? undefined : map.placeOf(mutation.offset)
    const hit: Hit = { mutation, said, map, place }
    this.#notices.count(describeNotice(ended, hit))
    return faultsOfHit(ended, hit, golden).map(fault => `${fault} (${inspect({ mutation, place })})`)
  }

  async #live(attacks: readonly Attack[], lingers = attacks.some(isOnHeartbeat)): Promise<Lived> {
    const proxy = await MutatingProxy.start(this.#target, attacks)
    const session = new CheckedSession()
    try {
      await within(SESSION_LIMIT_MS, 'the end of the session', session.run(proxy.port, lingers))
      const outcomes = await session.ledger.outcomes()
      const closed = outcomes.find(({ what }) => what === 'connection.closed')
      const reason = closed?.state === 'resolved' ? (closed.value as CloseReason) : undefined
      return { ended: { session, outcomes, reason }, proxy }
    } finally {
      await proxy.close()
    }
  }

  /** A run that has not been everywhere has proved less than it says. */
  #expectVariety(): void {
    for (const part of PARTS) {
      if (this.#places.share(part) === 0) this.#findings.push(`nothing was changed in a ${part}`)
    }
    if (this.#ends.dominance > DOMINANCE_MAX)
      this.#findings.push(`too many sessions end alike: ${this.#ends.counts[0]?.join(' ')}`)
  }
}

/** Now and then a part in its turn of the seeds, else one by weight; and any octet of those that there were. */
function anyAttack(random: Random, seed: number, learned: StreamMap): Attack {
  const part = random.chance(TURN_SHARE) ? (PARTS[seed % PARTS.length] as Part) : random.weighted(AIMS)
  return { part, index: random.below(Math.max(1, learned.octetsOf(part))), change: anyChange(random) }
}

/** They come when nothing else does. */
function isOnHeartbeat({ part }: Attack): boolean {
  return part === 'heartbeat'
}

/** `protocol 501`, `client`, `not connected: AMQP_CONNECT`. */
function describeEnd({ outcomes, reason }: Ended): string {
  const [connecting] = outcomes
  if (reason === undefined) return `not connected: ${connecting === undefined ? '' : verdictOf(connecting)}`
  const gaveUp = reason.by === 'client' && reason.error !== undefined ? ', not in order' : ''
  return `${reason.by}${reason.code === undefined ? '' : ` ${reason.code}`}${gaveUp}`
}

function describeNotice(ended: Ended, hit: Hit): string {
  if (!changes(hit)) return 'nothing, and nothing was changed'
  if (!isClean(ended)) return 'that something is wrong'
  if (strange(ended.session).length > 0) return 'nothing, and one message is another'
  return 'nothing, and all messages are right'
}
