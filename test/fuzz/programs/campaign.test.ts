import { expect } from 'chai'
import type { Command } from '../../model/commands/command.js'
import { Tallies } from '../../model/world/tallies.js'
import { BROKER_START_MS } from '../../support/live-session.js'
import { sharedBroker } from '../../support/rabbitmq/index.js'
import { monotony } from './campaign.js'
import { explain } from './finding-report.js'
import { type Program, programOf } from './program.js'
import { Site } from './site.js'

/** A command that finds something whenever it is given. */
class Faulty implements Command {
  check(): boolean {
    return true
  }

  run(): void {
    throw new Error('message 7 is lost')
  }

  toString(): string {
    return 'Faulty'
  }
}

describe('programs of the fuzzer', () => {
  let url: string

  before(async function () {
    this.timeout(BROKER_START_MS)
    url = (await sharedBroker()).url
  })

  it('find fault with a run that comes to one thing nearly always, or never to another', () => {
    const { outcomes, bodies } = new Tallies()
    outcomes.count('replied', 61)
    outcomes.count('got', 39)
    bodies.count('0', 50)
    bodies.count('up to 100', 50)
    const faults = monotony([outcomes, bodies])
    expect(faults[0]).to.match(/^monotonous: outcomes: 100\n {2}replied/)
    expect(faults.slice(1, 3)).to.deep.equal(['never: confirmed', 'never: delivered'])
  })

  it('are the same from the same seed', () => {
    const shown = ({ commands, chunkOctets }: Program): unknown => [chunkOctets, commands.map(String)]
    expect(shown(programOf(5))).to.deep.equal(shown(programOf(5)))
    expect(shown(programOf(5))).not.to.deep.equal(shown(programOf(6)))
  })

  it('are shown as short as they can be made, when they find something', async () => {
    const site = await Site.open(url)
    try {
      const program = programOf(5)
      const commands = [...program.commands.slice(0, 10), new Faulty(), ...program.commands.slice(10, 15)]
      const failing = { ...program, commands, chunkOctets: undefined }
      const error = await site.run(failing, new Tallies()).catch(thrown => thrown)
      const text = await explain(error, failing, '--seed 5, program 0', site)
      expect(text).to.match(
        /^--seed 5, program 0 \(program seed 5, pieces of any octets\): message 7 is lost/,
      )
      expect(text).to.match(/\n 1 of 16 commands:\n {2}Faulty$/)
    } finally {
      await site.close()
    }
  }).timeout(20_000)
})
