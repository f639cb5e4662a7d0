// Results -> tables in Markdown: of messages, of what is done one at a time, of idle connections.

import { BASELINES, type Case, type Work } from './cases.js'
import { cpuUsPerMessage, messagesPerSecond, p50Us, type Quantity, type Results } from './results.js'

type Cell = (which: Case, results: Results) => string

/** Text stands to the left, figures to the right. */
interface Column {
  readonly title: string
  readonly cell: Cell
  readonly isText?: boolean
}

const quantity =
  (read: Quantity, print: (value: number) => string): Cell =>
  (which, results) =>
    print(results.median(which, read))

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

const CASE: readonly Column[] = [
  { title: 'workload', cell: which => which.workload, isText: true },
  { title: 'body', cell: which => sizeOf(which), isText: true },
  { title: 'client', cell: which => which.client, isText: true },
]

const RATIOS: readonly Column[] = [
  ...BASELINES.map(baseline => ({
    title: `× ${baseline}`,
    cell: (which: Case, results: Results) =>
      optional(results.ratio(which, which.client, baseline, cpuUsPerMessage)),
  })),
  {
    title: '× best peer',
    cell: (which, results) => {
      const best = results.bestPeer(which)
      return optional(best && results.ratio(which, which.client, best, cpuUsPerMessage))
    },
  },
]

const COST: readonly Column[] = [
  { title: 'CPU µs', cell: quantity(cpuUsPerMessage, figures) },
  {
    title: 'of it sys',
    cell: quantity(sample => sample.systemUs / sample.messages, figures),
  },
  ...RATIOS,
  {
    title: 'writes/1000',
    cell: quantity(sample => (1000 * sample.writes) / sample.messages, figures),
  },
  { title: 'GC %', cell: quantity(sample => (100 * sample.gcMs) / sample.wallMs, percent) },
  { title: 'RSS MiB', cell: quantity(sample => sample.rssOctets / 2 ** 20, whole) },
]

const MESSAGES: readonly Column[] = [
  ...CASE,
  { title: 'msgs/s', cell: quantity(messagesPerSecond, whole) },
  ...COST,
]

const LATENCIES: readonly Column[] = [
  ...CASE,
  { title: 'p50 µs', cell: quantity(p50Us, figures) },
  { title: 'p99 µs', cell: quantity(sample => sample.p99Us ?? Number.NaN, figures) },
  { title: 'per s', cell: quantity(messagesPerSecond, whole) },
  ...COST,
]

const IDLE: readonly Column[] = [
  { title: 'connections', cell: which => whole(which.size), isText: true },
  { title: 'client', cell: which => which.client, isText: true },
  { title: 'CPU ms/s', cell: quantity(sample => cpuUsPerMessage(sample) / 1000, figures) },
  { title: 'of it sys', cell: quantity(sample => sample.systemUs / sample.messages / 1000, figures) },
  ...RATIOS,
  { title: 'writes/s', cell: quantity(sample => sample.writes / sample.messages, whole) },
  {
    title: 'heap KiB each',
    cell: quantity(sample => (sample.heapOctetsPerConnection ?? Number.NaN) / 1024, figures),
  },
  {
    title: 'RSS KiB each',
    cell: quantity(sample => (sample.rssOctetsPerConnection ?? Number.NaN) / 1024, figures),
  },
]

/** Those of them that have lines, one below the other. */
export function tablesOf(results: Results): string[] {
  const isIdle = (work: Work): boolean => work.workload === 'idle'
  const isTimed = (work: Work): boolean => work.workload !== 'idle' && hasLatency(results, work)
  const isPlain = (work: Work): boolean => work.workload !== 'idle' && !hasLatency(results, work)
  const tables: [(work: Work) => boolean, readonly Column[]][] = [
    [isPlain, MESSAGES],
    [isTimed, LATENCIES],
    [isIdle, IDLE],
  ]
  return tables.flatMap(([belongs, columns]) => {
    const works = results.works.filter(belongs)
    return works.length === 0 ? [] : [tableOf(results, works, columns)]
  })
}

function hasLatency(results: Results, work: Work): boolean {
  const [client] = results.clientsOf(work)
  return client !== undefined && !Number.isNaN(results.median({ ...work, client }, p50Us))
}

function tableOf(results: Results, works: readonly Work[], columns: readonly Column[]): string {
  const cases = works.flatMap(work => results.clientsOf(work).map(client => ({ ...work, client })))
  const lines = cases.map(which => columns.map(({ cell }) => cell(which, results)))
  return layOut(
    columns.map(({ title }) => title),
    lines,
    columns.map(({ isText = false }) => isText),
  )
}

/** A table in Markdown that can be read as it stands. */
export function layOut(
  titles: readonly string[],
  lines: readonly (readonly string[])[],
  isText: readonly boolean[],
): string {
  const all = [titles, ...lines]
  const widths = titles.map((_, column) => Math.max(3, ...all.map(line => (line[column] ?? '').length)))
  const print = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const padded = all.map(line =>
    line.map((cell, column) => {
      const width = widths[column] ?? 0
      return isText[column] ? cell.padEnd(width) : cell.padStart(width)
    }),
  )
  const rule = widths.map((width, column) =>
    isText[column] ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [padded[0] ?? [], rule, ...padded.slice(1)].map(print).join('\n')
}

export function sizeOf({ workload, size }: Work): string {
  if (workload === 'connect') return ''
  if (workload === 'idle') return `${whole(size)} connections`
  if (size < 1024) return `${size} B`
  return size < 2 ** 20 ? `${size / 1024} KiB` : `${size / 2 ** 20} MiB`
}

/** For people: a line of work in a table of lines. */
export function labelOf(work: Work): string {
  return `${work.workload} ${sizeOf(work)}`.trim()
}

/** Three significant figures. */
export function figures(value: number): string {
  if (Number.isNaN(value)) return ''
  if (value >= 100) return whole(value)
  return value.toPrecision(3).replace(/^0\.0(\d\d).*/, '0.0$1')
}

function optional(value: number | undefined): string {
  return value === undefined ? '' : figures(value)
}

function percent(value: number): string {
  return value.toFixed(1)
}
