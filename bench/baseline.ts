// What thump's ratios were when they were last saved, and whether those of another run are worse.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { BASELINES, nameOf, type Work } from './cases.js'
import { inCheckout } from './checkout.js'
import { cpuUsPerMessage, type Results } from './results.js'
import { figures, labelOf, layOut } from './table.js'

/** CPU time of thump over that of another client. */
type Ratios = Readonly<Partial<Record<(typeof BASELINES)[number], number>>>

export interface Baseline {
  readonly machine: string
  /** By the name of the work. */
  readonly ratios: Readonly<Record<string, Ratios>>
}

/**
 * How much worse a ratio may be. Medians of three runs of the same code differ in one ratio by up to 30 % on a busy machine, but
 * by 8 % in the one that has moved less (bench/README.md), and it is that one that counts, twice in a row.
 */
export const TOLERANCE = 0.3

export interface Comparison {
  readonly work: Work
  readonly saved: Ratios
  readonly now: Ratios
  /** Of the ratio that has changed least for the worse: 1 is no change, 2 twice the cost. */
  readonly change: number
}

const FILE = inCheckout('bench', 'baseline.json')

export function readBaseline(): Baseline {
  if (!existsSync(FILE)) throw new Error('there is no bench/baseline.json: --save writes it')
  return JSON.parse(readFileSync(FILE, 'utf8')) as Baseline
}

export function writeBaseline(baseline: Baseline): void {
  writeFileSync(FILE, `${JSON.stringify(baseline, undefined, 2)}\n`)
}

export function baselineOf(results: Results, machine: string): Baseline {
  const works = results.works.filter(({ server }) => server === 'null')
  const ratios = works.map(work => [nameOf(work), ratiosOf(results, work)] as const)
  return { machine, ratios: Object.fromEntries(ratios) }
}

/** Of all work that both have. */
export function compare(results: Results, baseline: Baseline): Comparison[] {
  return results.works.flatMap(work => {
    const saved = baseline.ratios[nameOf(work)]
    if (saved === undefined) return []
    const now = ratiosOf(results, work)
    const changes = BASELINES.flatMap(client => {
      const [before, after] = [saved[client], now[client]]
      return before === undefined || after === undefined ? [] : [after / before]
    })
    // A regression of thump shows against every other client; what shows against one only has happened to that one.
    return changes.length === 0 ? [] : [{ work, saved, now, change: Math.min(...changes) }]
  })
}

export function isWorse({ change }: Comparison): boolean {
  return change > 1 + TOLERANCE
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  const lines = comparisons.map(comparison => [
    labelOf(comparison.work),
    ...BASELINES.flatMap(client => [print(comparison.saved[client]), print(comparison.now[client])]),
    `${comparison.change >= 1 ? '+' : ''}${Math.round(100 * (comparison.change - 1))} %`,
    isWorse(comparison) ? 'WORSE' : '',
  ])
  const titles = ['workload', ...BASELINES.flatMap(client => [`× ${client}, saved`, 'now']), 'change', '']
  return layOut(titles, lines, [true, ...titles.slice(2).map(() => false), true])
}

function ratiosOf(results: Results, work: Work): Ratios {
  const ratios = BASELINES.flatMap(client => {
    const ratio = results.ratio(work, 'thump', client, cpuUsPerMessage)
    return ratio === undefined ? [] : [[client, Number(ratio.toPrecision(3))] as const]
  })
  return Object.fromEntries(ratios)
}

function print(ratio: number | undefined): string {
  return ratio === undefined ? '' : figures(ratio)
}
