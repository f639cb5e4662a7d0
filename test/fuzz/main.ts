// Long runs of the fuzzers by hand (`npm run fuzz`): the names of campaigns, how many cases, from which seed. The report goes
// to standard output; the status is 1 when something was found.

import { parseArgs } from 'node:util'
import { stopSharedBroker } from '../support/rabbitmq/index.js'
import type { Campaign } from './campaign.js'
import { campaigns } from './campaigns.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cases: { type: 'string' }, seed: { type: 'string' } },
})

const unknown = positionals.find(name => !campaigns.some(campaign => campaign.name === name))
const cases = values.cases === undefined ? undefined : Number(values.cases)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)

if (unknown !== undefined || [cases ?? 1, seed].some(number => !Number.isSafeInteger(number) || number < 0)) {
  process.stderr.write(
    `npm run fuzz -- [${campaigns.map(({ name }) => name).join(' | ')}] [--cases N] [--seed N]\n`,
  )
  process.exitCode = 2
} else {
  try {
    for (const campaign of campaigns) {
      if (positionals.length === 0 || positionals.includes(campaign.name)) await report(campaign)
    }
  } finally {
    await stopSharedBroker()
  }
}

async function report(campaign: Campaign): Promise<void> {
  const effort = { seed, cases: cases ?? campaign.shortRun, progress: print }
  print(`\n== ${campaign.name}: ${campaign.title}; ${effort.cases} ${campaign.unit} from seed ${seed}`)
  const begin = performance.now()
  const { cases: tried, histograms, findings } = await campaign.run(effort)
  for (const histogram of histograms) print(`\n${histogram}`)
  for (const finding of findings) print(`\nfound: ${finding}`)
  const seconds = (performance.now() - begin) / 1000
  print(
    `\n-- ${campaign.name}: ${tried} ${campaign.unit} in ${seconds.toFixed(1)} s, ${findings.length} findings`,
  )
  if (findings.length > 0) process.exitCode = 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
