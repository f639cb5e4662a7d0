// Inputs that were found, kept from one run to the next: a folder (THUMP_FUZZ_CORPUS), one file for each, named by its octets.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class CorpusFolder {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  read(): Buffer[] {
    if (!existsSync(this.#path)) return []
    return readdirSync(this.#path)
      .sort()
      .map(name => readFileSync(join(this.#path, name)))
  }

  /** Writes those that are not there yet. */
  add(inputs: Iterable<Uint8Array>): void {
    mkdirSync(this.#path, { recursive: true })
    for (const octets of inputs) {
      const file = join(this.#path, createHash('sha256').update(octets).digest('hex').slice(0, 32))
      if (!existsSync(file)) writeFileSync(file, octets)
    }
  }
}
