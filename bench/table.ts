// Samples -> medians and ratios, and a table of them in Markdown.

import { BASELINES, type ClientName } from './cases.js'
import type { Case, Sample } from './measurement.js'

/** All runs of one case. */
export interface Series extends Case {
  readonly samples: Sample[]
}

/** Medians over the runs. */
export interface Row extends Case {
  readonly messagesPerSecond: number
  readonly cpuUsPerMessage: number
  readonly writesPer1000: number
  readonly octetsWrittenPerMessage: number
  readonly rssMib: number
  /** CPU time per message over that of another client, run by run: what else the machine did then hit both. */
  readonly cpuRatio: Readonly<Partial<Record<ClientName, number>>>
}

export function rowsOf(all: readonly Series[]): Row[] {
  return all.map(({ samples, ...which }) => {
    const over = (read: (sample: Sample) => number): number => median(samples.map(read))
    const ratios = BASELINES.flatMap(baseline => {
      const other = all.find(each => isSameWork(each, which) && each.client === baseline)
      if (other === undefined) return []
      const ratio = median(samples.map((sample, run) => cpuUs(sample) / cpuUs(other.samples[run] as Sample)))
      return [[baseline, ratio] as const]
    })
    return {
      ...which,
      messagesPerSecond: over(sample => (1000 * sample.messages) / sample.wallMs),
      cpuUsPerMessage: over(cpuUs),
      writesPer1000: over(sample => (1000 * sample.writes) / sample.messages),
      octetsWrittenPerMessage: over(sample => sample.octetsWritten / sample.messages),
      rssMib: over(sample => sample.rssOctets / 2 ** 20),
      cpuRatio: Object.fromEntries(ratios),
    }
  })
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(row => [
    row.workload,
    row.bodySize < 1024 ? `${row.bodySize} B` : `${row.bodySize / 1024} KiB`,
    row.client,
    Math.round(row.messagesPerSecond).toLocaleString('en-US'),
    figures(row.cpuUsPerMessage),
    ...BASELINES.map(baseline => figures(row.cpuRatio[baseline])),
    figures(row.writesPer1000),
    row.rssMib.toFixed(0),
  ])
  return layOut([HEADLINE, ...lines])
}

const HEADLINE = [
  'workload',
  'body',
  'client',
  'msgs/s',
  'CPU µs/msg',
  ...BASELINES.map(baseline => `× ${baseline}`),
  'writes/1000',
  'RSS MiB',
]
const TEXT_COLUMNS = 3

function layOut(lines: readonly (readonly string[])[]): string {
  const widths = HEADLINE.map((_, column) => Math.max(...lines.map(line => (line[column] ?? '').length)))
  const print = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const padded = lines.map(line =>
    line.map((cell, column) =>
      column < TEXT_COLUMNS ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    ),
  )
  const rule = widths.map((width, column) =>
    column < TEXT_COLUMNS ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [padded[0] ?? [], rule, ...padded.slice(1)].map(print).join('\n')
}

/** Three significant figures. */
function figures(value: number | undefined): string {
  if (value === undefined) return ''
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(3).replace(/^0\.0(\d\d).*/, '0.0$1')
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] as number
  return Number.isInteger(middle) ? ((sorted[middle - 1] as number) + upper) / 2 : upper
}

function cpuUs({ cpuUs, messages }: Sample): number {
  return cpuUs / messages
}

function isSameWork(one: Case, other: Case): boolean {
  return one.workload === other.workload && one.bodySize === other.bodySize
}
