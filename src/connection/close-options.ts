// Options of the calls that end something, and their checks.

import { type Checks, isBoolean, isSignal, isTimeout } from './arguments.js'

/** Options of {@link Consumer.cancel}. */
export interface CancelOptions {
  /** Milliseconds that it may take, running handlers included. Default: `closeTimeout`. */
  timeout?: number | undefined
  /**
   * Do not wait for the server's answer: the consumer has ended when the cancel is written. What is still on its way to it
   * goes back; without acknowledgements it is lost. Its tag is free when the answer has come. Default false.
   */
  noWait?: boolean | undefined
  /** Ends the wait: the promise rejects with the signal's reason. The consumer is cancelled all the same. */
  signal?: AbortSignal | undefined
}

/** Options of {@link Channel.close}. */
export interface ChannelCloseOptions {
  /** Milliseconds that it may take, running handlers and outstanding confirms included. Default: `closeTimeout`. */
  timeout?: number | undefined
}

/** Options of {@link Connection.close}. */
export interface CloseOptions extends ChannelCloseOptions {
  /** Cancel all consumers first and wait for the handlers that run. Default false. */
  drain?: boolean | undefined
}

export const CANCEL_CHECKS = {
  timeout: isTimeout,
  noWait: isBoolean,
  signal: isSignal,
} satisfies Checks<CancelOptions>
export const CHANNEL_CLOSE_CHECKS = { timeout: isTimeout } satisfies Checks<ChannelCloseOptions>
export const CLOSE_CHECKS = { timeout: isTimeout, drain: isBoolean } satisfies Checks<CloseOptions>
