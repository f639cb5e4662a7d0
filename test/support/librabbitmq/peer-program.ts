// The program peer.c, compiled into a temporary directory.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from '../rabbitmq/project-root.js'
import type { Compiler } from './installation.js'

/** It takes a second; a machine with other work may take long. */
const COMPILE_TIMEOUT_MS = 60_000

export class PeerProgram {
  readonly file: string
  readonly #directory: string

  static async compile(compiler: Compiler): Promise<PeerProgram> {
    const program = new PeerProgram(mkdtempSync(join(tmpdir(), 'thump-librabbitmq-')))
    const source = join(projectRoot(), 'test', 'support', 'librabbitmq', 'peer.c')
    try {
      const parameters = ['-std=c11', '-O1', '-o', program.file, source, ...compiler.parameters]
      await promisify(execFile)(compiler.program, parameters, { timeout: COMPILE_TIMEOUT_MS })
    } catch (error) {
      program.remove()
      throw error
    }
    return program
  }

  private constructor(directory: string) {
    this.#directory = directory
    this.file = join(directory, 'peer')
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
