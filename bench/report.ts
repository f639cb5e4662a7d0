// The page of the documentation with the numbers: what stands between its two marks is written anew, and the charts beside it.

import { readFileSync, writeFileSync } from 'node:fs'
import type { ServerName } from './cases.js'
import { chartOf } from './chart.js'
import { inCheckout } from './checkout.js'
import { Results } from './results.js'
import { tablesOf } from './table.js'
import { targetsOf } from './targets.js'

const PAGE = inCheckout('docs', 'performance.md')
const BEGIN = '<!-- What follows is written by `npm run bench -- --save`. -->'
const END = '<!-- End of what is written by `npm run bench -- --save`. -->'

export interface Circumstances {
  /** Machine, Node.js and date. */
  readonly machine: string
  /** Of the other clients, and of RabbitMQ. */
  readonly versions: string
  /** How often and how long. */
  readonly effort: string
}

const HEADLINES: Readonly<Record<ServerName, string>> = Object.freeze({
  null: 'Null broker',
  live: 'RabbitMQ',
})

export function writeReport(results: Results, circumstances: Circumstances): void {
  const servers = [...new Set(results.works.map(({ server }) => server))]
  const parts = servers.map(server => {
    const own = new Results(results.series.filter(series => series.server === server))
    const file = `performance-${server}.svg`
    const title = `CPU time of the client for one message: ${HEADLINES[server]}`
    writeFileSync(inCheckout('docs', file), chartOf(own, title))
    return [`### ${HEADLINES[server]}`, `![${title}](${file})`, ...tablesOf(own)].join('\n\n')
  })
  const { machine, versions, effort } = circumstances
  const head = [`${machine}.`, `${versions}.`, `${effort}.`].join('\n')
  const targets = `### What it is to reach\n\n${targetsOf(results)}.`
  const generated = [BEGIN, head, ...parts, targets, END].join('\n\n')
  writeFileSync(PAGE, replaceGenerated(readFileSync(PAGE, 'utf8'), generated))
}

/** Throws when the page has lost its marks. */
export function replaceGenerated(page: string, generated: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin)
    throw new Error('docs/performance.md has not the two marks of what is generated')
  return page.slice(0, begin) + generated + page.slice(end + END.length)
}
