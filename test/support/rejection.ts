// What a promise rejects with, for tests of errors: a promise that resolves instead, or never settles, fails the test with
// words.

import { inspect } from 'node:util'
import { within } from './rabbitmq/deadline.js'

type ErrorClass<E> = abstract new (...parameters: never[]) => E

/** Resolves with the error that `promise` rejects with, which must be of the class. */
export async function rejectionOf<E extends Error>(
  promise: Promise<unknown>,
  errorClass: ErrorClass<E>,
  deadlineMs = 5_000,
): Promise<E> {
  const outcome = await within(
    deadlineMs,
    `a rejection with ${errorClass.name}`,
    promise.then(
      value => ({ value }),
      (error: unknown) => ({ error }),
    ),
  )
  if ('value' in outcome) throw new Error(`resolved with ${inspect(outcome.value)}, not a ${errorClass.name}`)
  if (outcome.error instanceof errorClass) return outcome.error
  throw new Error(`rejected with something that is no ${errorClass.name}: ${inspect(outcome.error)}`)
}

/** The error that `action` throws, which must be of the class. */
export function thrownBy<E extends Error>(action: () => unknown, errorClass: ErrorClass<E>): E {
  try {
    action()
  } catch (error) {
    if (error instanceof errorClass) return error
    throw new Error(`threw something that is no ${errorClass.name}: ${inspect(error)}`)
  }
  throw new Error(`threw nothing, not a ${errorClass.name}`)
}
