// Questions after queues and exchanges that cost nothing. A passive declaration of what is not there closes the channel it is
// made on (404), so each is made on a channel of its own.

import { ArgumentError, ChannelClosedError } from '../protocol/index.js'
import { unlessAborted } from './abort-watch.js'
import { checkOptions, isShortstr } from './arguments.js'
import { CALL_CHECKS, type CallOptions } from './call-options.js'
import type { Channel } from './channel.js'
import type { QueueDeclared } from './queue-methods.js'
import { leftOf } from './wait-limit.js'

/** Where the channels come from. */
export interface ChannelSource {
  now(): number
  openChannel(options: CallOptions): Promise<Channel>
}

/** What there is to know of a queue; undefined when it does not exist. */
export async function checkQueue(
  source: ChannelSource,
  queue: string,
  options: CallOptions,
): Promise<QueueDeclared | undefined> {
  expectName(queue, 'queue', 'must be a name: there is nothing else to ask for')
  return ask(source, options, (channel, limits) => channel.queueDeclare(queue, { ...limits, passive: true }))
}

/** Whether an exchange exists. */
export async function checkExchange(
  source: ChannelSource,
  exchange: string,
  options: CallOptions,
): Promise<boolean> {
  expectName(exchange, 'exchange', 'must be a name: the default exchange is always there')
  const found = await ask(source, options, async (channel, limits) => {
    // Which type it has is not asked.
    await channel.exchangeDeclare(exchange, '', { ...limits, passive: true })
    return true
  })
  return found ?? false
}

function expectName(name: string, path: string, requirement: string): void {
  isShortstr(name, path)
  if (name === '') throw new ArgumentError(path, requirement)
}

/** Undefined when what is asked for does not exist. */
async function ask<T>(
  source: ChannelSource,
  options: CallOptions,
  question: (channel: Channel, limits: CallOptions) => Promise<T>,
): Promise<T | undefined> {
  checkOptions(options, CALL_CHECKS, 'options')
  const { signal, timeout } = options
  const begunAt = source.now()
  const channel = await source.openChannel(options)
  try {
    const answer = await question(channel, { signal, timeout: leftOf(timeout, source.now() - begunAt) })
    const left = leftOf(timeout, source.now() - begunAt)
    await unlessAborted(signal, channel.close({ timeout: left }))
    return answer
  } catch (error) {
    // It is closed already, or waits for a reply that nobody else waits for.
    channel.close()
    if (error instanceof ChannelClosedError && error.notFound) return undefined
    throw error
  }
}
