// Results -> a chart as SVG: for each line of work one row, for each client a mark at its CPU time, on a logarithmic scale. Colours
// are for light and dark pages; each client has a shape of its own besides.

import type { ClientName, Work } from './cases.js'
import { cpuUsPerMessage, type Results } from './results.js'
import { figures, labelOf } from './table.js'

const WIDTH = 880
const LEFT = 150
const RIGHT = 110
const TOP = 76
const BOTTOM = 46
const ROW = 26
const LEGEND_BASELINE = 46
const RADIUS = 5

/** From the middle of the mark. */
const SHAPES: Readonly<Record<ClientName, string>> = Object.freeze({
  thump: `<path d="M0-8 8 0 0 8-8 0Z"/>`,
  amqplib: `<circle r="${RADIUS}"/>`,
  'rabbitmq-client': '<path d="M0-6 6 5H-6Z"/>',
  cloudamqp: '<path d="M-5-5H5V5H-5Z"/>',
  raw: '<path d="M-1.5-8H1.5V8H-1.5Z"/>',
  librabbitmq: '<path d="M-5-5 5 5M5-5-5 5" class="stroke"/>',
})

/** Those of light pages are legible on dark ones too, where a viewer does not say which it is. */
const STYLE = `
    text { font: 12px sans-serif; fill: #6e7681 }
    .title { font-size: 14px; font-weight: bold }
    .ours { font-weight: bold }
    .grid { stroke: #8c959f; stroke-opacity: 0.35 }
    .row { stroke: #8c959f; stroke-opacity: 0.2 }
    .stroke { fill: none; stroke-width: 2.5 }
    .thump { fill: #e8590c } .amqplib { fill: #1c7ed6 } .rabbitmq-client { fill: #2f9e44 }
    .cloudamqp { fill: #ae3ec9 } .raw { fill: #757c85 } .librabbitmq { stroke: #b08800 }
    @media (prefers-color-scheme: dark) {
      text { fill: #c9d1d9 }
      .thump { fill: #ff922b } .amqplib { fill: #4dabf7 } .rabbitmq-client { fill: #51cf66 }
      .cloudamqp { fill: #da77f2 } .raw { fill: #adb5bd } .librabbitmq { stroke: #ffd43b }
    }
  `

/** Idle connections are not in it: they have no messages. */
export function chartOf(results: Results, title: string): string {
  const works = results.works.filter(({ workload }) => workload !== 'idle')
  const scale = scaleOf(results, works)
  const bottom = TOP + works.length * ROW
  const decades = Array.from({ length: scale.last - scale.first + 1 }, (_, index) => scale.first + index)
  const parts = [
    text(0, 18, title, 'title'),
    legend([...new Set(works.flatMap(work => results.clientsOf(work)))]),
    text(WIDTH, LEGEND_BASELINE + 2, 'best peer ÷ thump', undefined, 'end'),
    ...decades.map(decade => gridLine(scale.at(10 ** decade), bottom, decadeLabel(decade))),
    ...works.map((work, index) => row(results, work, TOP + (index + 0.5) * ROW, scale)),
    text(
      (LEFT + WIDTH - RIGHT) / 2,
      bottom + 38,
      'µs of CPU time, logarithmic; cheaper to the left',
      undefined,
      'middle',
    ),
  ]
  const height = bottom + BOTTOM
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
  <title>${escaped(title)}</title>
  <style>${STYLE}</style>
${parts.map(part => `  ${part}`).join('\n')}
</svg>
`
}

interface Scale {
  /** Powers of ten. */
  readonly first: number
  readonly last: number
  at(value: number): number
}

function scaleOf(results: Results, works: readonly Work[]): Scale {
  const values = works.flatMap(work =>
    results.clientsOf(work).map(client => results.median({ ...work, client }, cpuUsPerMessage)),
  )
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  const width = WIDTH - LEFT - RIGHT
  return { first, last, at: value => LEFT + (width * (Math.log10(value) - first)) / (last - first) }
}

function legend(clients: readonly ClientName[]): string {
  const places = clients.map((client, index) => {
    const x = LEFT + 8 + clients.slice(0, index).reduce((sum, name) => sum + 44 + 7 * name.length, 0)
    return (
      mark(client, x, LEGEND_BASELINE - 4) +
      text(x + 14, LEGEND_BASELINE, client, client === 'thump' ? 'ours' : undefined)
    )
  })
  return places.join('')
}

function row(results: Results, work: Work, y: number, scale: Scale): string {
  const line = `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" class="row"/>`
  // thump comes last, and so lies on top.
  const clients = results.clientsOf(work).toReversed()
  const marks = clients.map(client => {
    const value = results.median({ ...work, client }, cpuUsPerMessage)
    return mark(client, scale.at(value), y, `${client}, ${labelOf(work)}: ${figures(value)} µs`)
  })
  return [text(0, y + 4, labelOf(work)), line, ...marks, factor(results, work, y)].join('')
}

/** How many times thump's cost the best other client takes. */
function factor(results: Results, work: Work, y: number): string {
  const best = results.bestPeer(work)
  const ratio = best && results.ratio(work, best, 'thump', cpuUsPerMessage)
  return ratio === undefined ? '' : text(WIDTH, y + 4, `${rounded(ratio)} ×`, 'ours', 'end')
}

/** Two significant figures. */
function rounded(ratio: number): string {
  return Number(ratio.toPrecision(2)).toLocaleString('en-US')
}

function mark(client: ClientName, x: number, y: number, title?: string): string {
  const tip = title === undefined ? '' : `<title>${escaped(title)}</title>`
  return `<g class="${client}" transform="translate(${x.toFixed(1)} ${y})">${tip}${SHAPES[client]}</g>`
}

function gridLine(x: number, bottom: number, label: string): string {
  const line = `<path d="M${x.toFixed(1)} ${TOP - 8}V${bottom}" class="grid"/>`
  return line + text(x, bottom + 18, label, undefined, 'middle')
}

function decadeLabel(decade: number): string {
  return decade < 0 ? (10 ** decade).toFixed(-decade) : (10 ** decade).toLocaleString('en-US')
}

function text(x: number, y: number, content: string, name?: string, anchor?: 'middle' | 'end'): string {
  const attributes = [
    name === undefined ? '' : ` class="${name}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
  ]
  return `<text x="${x.toFixed(1)}" y="${y}"${attributes.join('')}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
