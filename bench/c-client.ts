// The client in C, on librabbitmq: compiled when the library and a compiler are here, run as a program that prints what it
// cost.

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inCheckout } from './checkout.js'
import type { MeasurementOptions, Sample } from './measurement.js'

interface EnsureModule {
  readonly WHAT_TO_INSTALL: string
  findAmqpTools(): { readonly compiler: Compiler | undefined }
  ensureAmqpTools(): { readonly compiler: Compiler | undefined }
}

interface Compiler {
  readonly program: string
  readonly parameters: readonly string[]
}

const PROGRAM = inCheckout('build', 'bench', 'librabbitmq')
const COMPILE_TIMEOUT_MS = 60_000

/** Whether there is such a client; one that is `wanted` is installed where that is possible, or it is an error. */
export async function buildCClient(wanted: boolean): Promise<boolean> {
  const url = pathToFileURL(inCheckout('scripts', 'ensure-amqp-tools.js')).href
  const tools = (await import(url)) as EnsureModule
  const { compiler } = wanted ? tools.ensureAmqpTools() : tools.findAmqpTools()
  if (compiler === undefined) {
    if (wanted) throw new Error(tools.WHAT_TO_INSTALL)
    return false
  }
  mkdirSync(dirname(PROGRAM), { recursive: true })
  const source = inCheckout('bench', 'clients', 'librabbitmq.c')
  const parameters = ['-O2', '-Wall', '-Wextra', '-o', PROGRAM, source, ...compiler.parameters]
  const { status, stderr } = spawnSync(compiler.program, parameters, {
    encoding: 'utf8',
    timeout: COMPILE_TIMEOUT_MS,
  })
  if (status !== 0) throw new Error(`librabbitmq.c does not compile: ${stderr}`)
  return true
}

export async function measureC(options: MeasurementOptions, patienceMs: number): Promise<Sample> {
  const { url, size, seconds, messages = 0 } = options
  const port = new URL(url).port
  const parameters = [port, size, seconds, messages].map(String)
  const child = spawn(PROGRAM, parameters, { stdio: ['ignore', 'pipe', 'inherit'], timeout: patienceMs })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject))
  if (code !== 0) throw new Error(`it ended with ${code}`)
  return JSON.parse(output) as Sample
}
