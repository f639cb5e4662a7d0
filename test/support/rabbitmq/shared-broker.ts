// The broker that tests share when they do no more than use it: the one AMQP_URL names, else one private node for the
// whole run. A broker that AMQP_URL names belongs to somebody else: no test may freeze, block or stop it.

import { connect } from '../../../src/index.js'
import { keep } from '../invariants/keep.js'
import { RabbitMqNode } from './rabbitmq-node.js'

export interface Broker {
  readonly url: string
  /** Undefined when AMQP_URL names the broker: it is not ours to control. */
  readonly node?: RabbitMqNode | undefined
}

let shared: Promise<Broker> | undefined

/** The shared broker, started at the first call. */
export function sharedBroker(): Promise<Broker> {
  // Started by whichever test comes first, it belongs to the run.
  shared ??= keep('the shared broker', startBroker)
  return shared
}

/** The version of the shared broker, as 3.10.8: what a foreign one says of itself, since nothing else can be asked of it. */
export async function sharedVersion(): Promise<string> {
  const { node, url } = await sharedBroker()
  if (node !== undefined) return node.version
  const connection = await connect(url)
  const version = String(connection.serverProperties['version'])
  await connection.close()
  return version
}

/** Stops the shared node, if one was started; for the root hook at the end of a test run. */
export async function stopSharedBroker(): Promise<void> {
  const broker = await shared?.catch(() => undefined)
  shared = undefined
  await broker?.node?.stop()
}

/**
 * To be called first by a test, or a hook, that must control its broker (stop, freeze, block, look inside). With
 * AMQP_URL set the test is skipped, and its title says why.
 */
export function needsControl(context: Mocha.Context): void {
  if (foreignUrl() === undefined) return
  const runnable = context.test as Mocha.Test | Mocha.Hook | undefined
  if (runnable?.type === 'hook') runnable.parent?.eachTest(tellReason)
  else if (runnable !== undefined) tellReason(runnable)
  context.skip()
}

const SKIP_REASON = ' (skipped: AMQP_URL names a broker that is not ours to control)'

/** Mocha's skip() takes no reason, and its reports print nothing of a skipped test but its title. */
function tellReason(test: Mocha.Test): void {
  if (!test.title.endsWith(SKIP_REASON)) test.title += SKIP_REASON
}

/** The node of the shared broker, for a test that must control it; with AMQP_URL set the test is skipped. */
export async function sharedNode(context: Mocha.Context): Promise<RabbitMqNode> {
  needsControl(context)
  const { node } = await sharedBroker()
  if (node === undefined) throw new Error('AMQP_URL was set after the shared broker had been started')
  return node
}

async function startBroker(): Promise<Broker> {
  const url = foreignUrl()
  if (url !== undefined) return { url }
  const node = await RabbitMqNode.start({ tls: true })
  return { url: node.url, node }
}

function foreignUrl(): string | undefined {
  return process.env['AMQP_URL'] || undefined
}
