// What there is of librabbitmq on this machine, as scripts/ensure-amqp-tools.js finds or installs it, and the skipping of
// tests that need what is not there. That script is plain JavaScript, so that it runs before anything is compiled; the
// types here are its typedefs over again.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from '../rabbitmq/project-root.js'

/** For a hook that may be the first to ask: what is missing is installed first. */
export const INSTALLATION_MS = 15 * 60_000

/** A C compiler, and what it must be given behind the source to find librabbitmq. */
export interface Compiler {
  readonly program: string
  readonly parameters: readonly string[]
}

interface EnsureModule {
  readonly WHAT_TO_INSTALL: string
  ensureAmqpTools(): { readonly tools: string | undefined; readonly compiler: Compiler | undefined }
}

/** The directory of amqp-publish and its kin; where there are none the tests of the hook are skipped. */
export async function needsAmqpTools(context: Mocha.Context): Promise<string> {
  const { tools, reason } = await look()
  return tools ?? skip(context, reason)
}

/** A compiler that can build with librabbitmq; where there is none the tests of the hook are skipped. */
export async function needsCompiler(context: Mocha.Context): Promise<Compiler> {
  const { compiler, reason } = await look()
  return compiler ?? skip(context, reason)
}

interface Found {
  readonly tools: string | undefined
  readonly compiler: Compiler | undefined
  /** For the tests that need what was not found. */
  readonly reason: string
}

let found: Promise<Found> | undefined

/** Once per process: a test run does not change what is installed but by this. */
function look(): Promise<Found> {
  found ??= loadEnsureModule().then(module => ({
    ...module.ensureAmqpTools(),
    reason: ` (skipped: ${module.WHAT_TO_INSTALL})`,
  }))
  return found
}

async function loadEnsureModule(): Promise<EnsureModule> {
  return import(pathToFileURL(join(projectRoot(), 'scripts', 'ensure-amqp-tools.js')).href)
}

/** Mocha's skip() takes no reason, and its reports print nothing of a skipped test but its title. */
function skip(context: Mocha.Context, reason: string): never {
  context.test?.parent?.eachTest(test => {
    if (!test.title.endsWith(reason)) test.title += reason
  })
  return context.skip()
}
