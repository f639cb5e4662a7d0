// What every error and every reason of an end must be like, whatever went wrong: of a class that can be caught, with a code, with
// words, and with a chain of causes that ends.

import { inspect } from 'node:util'
import { AmqpError, ArgumentError, type CloseReason } from '../../src/index.js'

const INITIATORS = new Set(['client', 'server', 'transport', 'heartbeat', 'protocol', 'timeout', 'recovery'])
/** Words that stand where something is missing. */
const HOLES = /\bundefined\b|\[object |\bNaN\b|\bfunction \w*\(/
/** An error, that of its channel, that of its connection, and what broke underneath. */
const CHAIN_MAX = 8

/** What is wrong with an error that a promise rejected with. */
export function faultsOfError(error: unknown): string[] {
  if (!(error instanceof AmqpError || error instanceof ArgumentError))
    return [`rejected with something else: ${inspect(error)}`]
  const faults: string[] = []
  if (!/^AMQP_[A-Z_]+$/.test(error.code)) faults.push(`the code '${error.code}'`)
  if (error.message === '' || HOLES.test(error.message)) faults.push(`the message '${error.message}'`)
  if ('reason' in error) faults.push(...faultsOfReason(error.reason))
  return [...faults, ...faultsOfChain(error)]
}

/** What is wrong with what a `closed` promise resolved with. */
export function faultsOfReason(reason: unknown): string[] {
  const { by, code, error } = (reason ?? {}) as Partial<CloseReason>
  const faults: string[] = []
  if (by === undefined || !INITIATORS.has(by)) faults.push(`a reason by '${by}'`)
  if (code !== undefined && !(code >= 0 && code <= 65_535)) faults.push(`a reason with code ${code}`)
  if (by !== 'client' && error === undefined && !isCancel(reason))
    faults.push(`a reason without error: ${inspect(reason)}`)
  if (error !== undefined && !(error instanceof AmqpError || error instanceof ArgumentError))
    faults.push(`a reason whose error is something else: ${inspect(error)}`)
  return [...faults, ...faultsOfChain(error)]
}

/** That the server has cancelled a consumer is told by its reason alone. */
function isCancel(reason: unknown): boolean {
  return (reason as CloseReason).method === 'basic.cancel'
}

function faultsOfChain(error: unknown): string[] {
  const chain = new Set<unknown>()
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (chain.has(cause)) return [`a chain of causes that leads back to ${cause.name}`]
    chain.add(cause)
    if (chain.size > CHAIN_MAX) return [`a chain of more than ${CHAIN_MAX} causes: ${inspect(error)}`]
  }
  return []
}
