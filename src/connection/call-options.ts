// What can be said about any call: how long to wait for its answer, what else ends the wait, and whether to wait at all.

import { type Checks, isBoolean, isSignal, isTimeout } from './arguments.js'

/** Options of every call. */
export interface CallOptions {
  /**
   * Ends the wait: the call rejects with the signal's reason, or with an Error whose `cause` is the reason when that is
   * none. What has not been sent by then never is; what has been sent takes effect, and its answer is ignored. With a signal
   * that was aborted before nothing is sent at all.
   */
  signal?: AbortSignal | undefined
  /** Milliseconds for the answer, instead of the connection's `rpcTimeout`; what passes it is a {@link CallTimeoutError}. */
  timeout?: number | undefined
}

/** Options of calls that may go without an answer. */
export interface NoWaitOptions extends CallOptions {
  /**
   * Asks for no answer (AMQP's no-wait). The promise resolves when the call was handed to the socket, and says nothing
   * about its outcome: if the server refuses, it closes the channel. Default false.
   */
  noWait?: boolean | undefined
}

/** Options of calls whose answer is more than a yes. */
export interface AnsweredOptions extends CallOptions {
  /** With `true` there is no answer, so the promise resolves with undefined: see {@link NoWaitOptions}. Default false. */
  noWait?: false | undefined
}

/** The same options for a call that asks for no answer. */
export type Unanswered<Options extends AnsweredOptions> = Omit<Options, 'noWait'> & { noWait: true }

export const CALL_CHECKS = { signal: isSignal, timeout: isTimeout } satisfies Checks<CallOptions>

export const NO_WAIT_CHECKS = { ...CALL_CHECKS, noWait: isBoolean } satisfies Checks<NoWaitOptions>
