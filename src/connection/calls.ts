// Calls on one life of a channel, under the limits that come with each. The protocol layer keeps the time; signals are
// watched here.

import type { CallName, ChannelProtocol, Method, MethodOf } from '../protocol/index.js'
import { type AbortWatch, expectNotAborted } from './abort-watch.js'
import type { CallOptions } from './call-options.js'
import type { ChannelHost } from './channel-host.js'
import { PendingCall } from './pending-call.js'

export class Calls {
  readonly #life: ChannelProtocol
  readonly #host: ChannelHost
  readonly #aborts: AbortWatch

  constructor(life: ChannelProtocol, host: ChannelHost, aborts: AbortWatch) {
    this.#life = life
    this.#host = host
    this.#aborts = aborts
  }

  /** Makes a call. `method` checks what it is given, the options too; `read` makes the result out of the reply. */
  make<T>(
    options: CallOptions,
    method: () => MethodOf<CallName>,
    read: (reply: Method | undefined) => T,
  ): Promise<T> {
    return this.makeAs(new PendingCall(read), options, method)
  }

  /** Makes a call that somebody else reads the answer of. */
  makeAs<T, A>(call: PendingCall<T, A>, options: CallOptions, method: () => MethodOf<CallName>): Promise<T> {
    try {
      const checked = method()
      expectNotAborted(options.signal)
      this.#life.call(checked, call, this.#host.now(), options.timeout)
      this.#host.flush()
      this.#aborts.watch(options.signal, call)
    } catch (error) {
      call.reject(error as Error)
    }
    return call.promise
  }
}
