// What thump is to reach: its cost beside amqplib, beside the floor, and with a RabbitMQ beside the fastest other client.

import type { ClientName, Work, Workload } from './cases.js'
import { cpuUsPerMessage, messagesPerSecond, p50Us, type Quantity, type Results } from './results.js'
import { figures, labelOf, layOut } from './table.js'

interface Target {
  readonly workload: Workload
  readonly size: number
  /** For people. */
  readonly what: string
  readonly quantity: Quantity
  /** Undefined: the quantity itself is what is bounded. */
  readonly against: ClientName | undefined
  readonly atMost: number
}

const heapKib: Quantity = sample => (sample.heapOctetsPerConnection ?? Number.NaN) / 1024

function cpu(workload: Workload, size: number, against: ClientName, atMost: number): Target {
  return { workload, size, what: 'CPU', quantity: cpuUsPerMessage, against, atMost }
}

const TARGETS: readonly Target[] = Object.freeze([
  cpu('publish', 16, 'amqplib', 0.05),
  cpu('publish', 16, 'librabbitmq', 1),
  cpu('publish', 1024, 'amqplib', 0.1),
  cpu('publish', 1024, 'librabbitmq', 1),
  cpu('publish', 65_536, 'raw', 1.5),
  cpu('publish', 1_048_576, 'raw', 1.3),
  cpu('confirm', 16, 'amqplib', 0.05),
  cpu('confirm', 1024, 'amqplib', 0.1),
  cpu('confirm', 65_536, 'raw', 1.6),
  cpu('confirm-one', 16, 'raw', 1.5),
  cpu('consume', 16, 'amqplib', 0.25),
  cpu('consume', 1024, 'amqplib', 0.5),
  cpu('consume', 65_536, 'raw', 1.3),
  cpu('consume', 1_048_576, 'raw', 1.8),
  cpu('ack', 16, 'amqplib', 0.1),
  cpu('ack', 1024, 'amqplib', 0.2),
  cpu('ack', 65_536, 'raw', 1.5),
  cpu('rich-publish', 16, 'amqplib', 0.15),
  cpu('rich-consume', 16, 'amqplib', 0.6),
  cpu('rpc', 16, 'raw', 2),
  { workload: 'connect', size: 0, what: 'p50', quantity: p50Us, against: 'amqplib', atMost: 0.1 },
  cpu('idle', 1000, 'amqplib', 0.7),
  {
    workload: 'idle',
    size: 1000,
    what: 'heap KiB each',
    quantity: heapKib,
    against: undefined,
    atMost: 2.5,
  },
])

/** With a RabbitMQ: the fastest peer is not faster, and takes at least twice the processor time. */
const LIVE_SPEED_AT_LEAST = 1
const LIVE_CPU_AT_MOST = 0.5

interface Verdict {
  readonly work: Work
  readonly what: string
  readonly target: string
  readonly measured: number
  readonly isMet: boolean
}

/** A line for each target that was measured; empty when none was. */
export function targetsOf(results: Results): string {
  const verdicts = [...nullVerdicts(results), ...liveVerdicts(results)]
  if (verdicts.length === 0) return ''
  const lines = verdicts.map(({ work, what, target, measured, isMet }) => [
    work.server === 'live' ? `live: ${labelOf(work)}` : labelOf(work),
    what,
    target,
    figures(measured),
    isMet ? 'yes' : 'NO',
  ])
  const met = verdicts.filter(({ isMet }) => isMet).length
  const titles = ['workload', 'what', 'target', 'measured', 'met']
  const table = layOut(titles, lines, [true, true, false, false, true])
  return `${table}\n\n${met} of ${verdicts.length} targets met`
}

function nullVerdicts(results: Results): Verdict[] {
  return TARGETS.flatMap(({ workload, size, what, quantity, against, atMost }) => {
    const work: Work = { server: 'null', workload, size }
    const which = { ...work, client: 'thump' } as const
    if (!results.has(which)) return []
    const measured =
      against === undefined
        ? results.median(which, quantity)
        : results.ratio(work, 'thump', against, quantity)
    if (measured === undefined) return []
    const target = against === undefined ? `≤ ${atMost}` : `≤ ${atMost} × ${against}`
    return [{ work, what, target, measured, isMet: measured <= atMost }]
  })
}

function liveVerdicts(results: Results): Verdict[] {
  return results.works.flatMap(work => {
    const fastest = results.bestPeer(work, 'speed')
    if (work.server !== 'live' || fastest === undefined) return []
    const speed = results.ratio(work, 'thump', fastest, messagesPerSecond)
    const cpu = results.ratio(work, 'thump', fastest, cpuUsPerMessage)
    if (speed === undefined || cpu === undefined) return []
    return [
      {
        work,
        what: 'msgs/s',
        target: `≥ ${LIVE_SPEED_AT_LEAST} × ${fastest}`,
        measured: speed,
        isMet: speed >= LIVE_SPEED_AT_LEAST,
      },
      {
        work,
        what: 'CPU',
        target: `≤ ${LIVE_CPU_AT_MOST} × ${fastest}`,
        measured: cpu,
        isMet: cpu <= LIVE_CPU_AT_MOST,
      },
    ]
  })
}
