// What the demo sends: the lines of this project's README and LICENSE that are not empty, each with an id that is the same
// in every run, `README.md:12`.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../test/support/rabbitmq/project-root.js'
import type { Message } from './ledger.js'

const FILES = ['README.md', 'LICENSE']

export function readMessages(): Message[] {
  return FILES.flatMap(file => {
    const lines = readFileSync(join(projectRoot(), file), 'utf8').split('\n')
    return lines
      .map((text, index) => ({ id: `${file}:${index + 1}`, text }))
      .filter(message => message.text.trim() !== '')
  })
}
