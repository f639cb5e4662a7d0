// Sockets, servers, timers, immediates, child processes and the like that live, each with its owner and the place that
// created it. `process.getActiveResourcesInfo()` counts by name only and leaves out what is unreferenced, and a leak
// that was unreferenced is still a leak; async hooks see every creation, and the stack that asked for it.
// It does not judge: who waits, and for how long, is `Invariants`' business.

import { type AsyncHook, createHook, executionAsyncId } from 'node:async_hooks'
import { isKept, keep } from './keep.js'
import { Origin } from './origin.js'
import type { Remainder } from './remainder.js'

/**
 * Types whose end Node tells at once. Those that live until the garbage collector comes (TLSWRAP, HTTPINCOMINGMESSAGE)
 * are left out: the TCPWRAP below a TLSWRAP is seen.
 */
const TYPES: ReadonlySet<string> = new Set([
  'Timeout',
  'Immediate',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'UDPWRAP',
  'TTYWRAP',
  'PROCESSWRAP',
  'WORKER',
  'GETADDRINFOREQWRAP',
  'FSEVENTWRAP',
  'STATWATCHER',
])

const MEANINGS: Readonly<Record<string, string>> = Object.freeze({
  Timeout: 'a timer',
  Immediate: 'an immediate',
  TCPWRAP: 'a TCP socket',
  TCPSERVERWRAP: 'a TCP server',
  PIPEWRAP: 'a pipe',
  PIPESERVERWRAP: 'a pipe server',
  UDPWRAP: 'a UDP socket',
  TTYWRAP: 'a terminal',
  PROCESSWRAP: 'a child process',
  WORKER: 'a worker',
  GETADDRINFOREQWRAP: 'a DNS lookup',
  FSEVENTWRAP: 'a file watcher',
  STATWATCHER: 'a file watcher',
})

export class ResourceTracker {
  readonly #alive = new Map<number, Resource>()
  /** Callbacks of the next tick: Node creates a server's handle in one when the address has a name or is a literal. */
  readonly #ticks = new Map<number, Origin>()
  readonly #hook: AsyncHook
  /** Owner of what is created from now on. */
  owner: Owner

  constructor(owner: Owner) {
    this.owner = owner
    const init = (asyncId: number, type: string, triggerAsyncId: number, resource: object) => {
      if (type === 'TickObject') this.#ticks.set(asyncId, new Origin(init))
      if (!TYPES.has(type) || isKept()) return
      const cause = this.#alive.get(triggerAsyncId) ?? this.#ticks.get(executionAsyncId())
      this.#alive.set(asyncId, new Resource(type, this.owner, new Origin(init), cause, resource))
    }
    this.#hook = createHook({ init, destroy: asyncId => void this.#end(asyncId) })
  }

  enable() {
    // Node creates the handles of the standard streams on their first use, which may be a test's.
    for (const stream of [process.stdout, process.stderr]) stream.write('')
    this.#hook.enable()
  }

  disable() {
    this.#hook.disable()
  }

  /** What `owner` created and what is not yet gone; without an owner, what everybody created. */
  remaining(owner?: Owner | undefined): readonly Resource[] {
    const resources = [...this.#alive.values()]
    return resources.filter(
      one => (owner === undefined || one.madeBy === owner) && one.isThere && !one.isForeign,
    )
  }

  #end(asyncId: number) {
    this.#ticks.delete(asyncId)
    this.#alive.get(asyncId)?.end()
    this.#alive.delete(asyncId)
  }
}

/** A test, or what stands around tests: hooks of suites, and files while they are loaded. */
export interface Owner {
  readonly title: string
  readonly kind: 'test' | 'suite'
}

class Resource implements Remainder {
  readonly madeBy: Owner
  readonly #type: string
  readonly #origin: Origin
  /** What brought it when none of our code is on the stack: the server that accepted it, or the call a tick ago. */
  readonly #cause: Resource | Origin | undefined
  readonly #resource: object
  #isThere = true

  constructor(
    type: string,
    owner: Owner,
    origin: Origin,
    cause: Resource | Origin | undefined,
    resource: object,
  ) {
    this.#type = type
    this.madeBy = owner
    this.#origin = origin
    this.#cause = cause
    this.#resource = resource
  }

  get owner(): string {
    return this.madeBy.title
  }

  /** The hook tells the end of a timer a turn late; the timer itself knows at once. */
  get isThere(): boolean {
    return this.#isThere && (this.#resource as { _destroyed?: boolean })._destroyed !== true
  }

  get isTimer(): boolean {
    return this.#type === 'Timeout' || this.#type === 'Immediate'
  }

  get mayBelongToSuite(): boolean {
    return this.isTimer
  }

  get mayBeGoing(): boolean {
    return !this.isTimer
  }

  /** Timers of the test runner, and of Node for its own purposes. */
  get isForeign(): boolean {
    return this.#origin.isRunner || (this.isTimer && this.#origin.frames.length === 0)
  }

  end() {
    this.#isThere = false
  }

  describe(): string {
    return `left behind: ${this.#name()}`
  }

  #name(): string {
    const name = `${MEANINGS[this.#type]} (${this.#type})`
    if (this.#origin.frames.length > 0) return `${name}, created ${this.#origin}`
    if (this.#cause instanceof Resource) return `${name}, accepted by ${this.#cause.#name()}`
    return `${name}, created ${this.#cause ?? this.#origin}`
  }

  /**
   * A handle without its reference keeps no process alive. A child process lives on until ours ends: a broker that a
   * suite restarted in a test is told, but not taken away from the tests that follow.
   */
  release() {
    if (!this.isThere) return
    const resource = this.#resource as { unref?: () => void; kill?: (signal: number) => void }
    if (this.#type === 'Timeout') clearTimeout(resource as NodeJS.Timeout)
    if (this.#type === 'Immediate') clearImmediate(resource as NodeJS.Immediate)
    if (this.#type === 'PROCESSWRAP') {
      keep('the end of a child process that a test left', () => {
        process.once('exit', () => this.isThere && resource.kill?.(SIGKILL))
      })
    }
    resource.unref?.()
  }
}

const SIGKILL = 9
