// connect(): the first call of every program. Tries the addresses it is given, each once, and ends with a connection or
// with an error that says what did not work.

import { ArgumentError, ConnectError, failsEverywhere, kindOf } from '../protocol/index.js'
import { Connection } from './connection.js'
import { handled } from './deferred.js'
import { Link } from './link.js'
import { type ConnectOptions, checkConnectOptions, type Settings, settle } from './options.js'
import { parseUri } from './uri.js'

/**
 * Connects to RabbitMQ, or another server that speaks AMQP 0-9-1.
 *
 * Several URIs are tried in random order; what would fail at every one of them (credentials, virtual host) ends it at
 * once. Each has `connectTimeout` milliseconds, from name resolution to Connection.Open-Ok.
 *
 * @param target `amqp://user:password@host:port/vhost`, or `amqps://` for TLS, several of them, or options
 * @returns the open connection. Rejects with an {@link ArgumentError} (nothing was tried), a {@link ConnectError} that
 * names the phase and gives a hint, an AuthenticationError, or the reason of the `signal`.
 */
export function connect(
  target: string | readonly string[] | ConnectOptions,
  options?: ConnectOptions,
): Promise<Connection> {
  return handled(async () => {
    const errors: Error[] = []
    for (const settings of candidates(target, options)) {
      try {
        return new Connection(await new Link(settings).opened.promise, settings)
      } catch (error) {
        if (!(error instanceof ConnectError) || failsEverywhere(error)) throw error
        errors.push(error)
      }
    }
    throw errors.length === 1 ? errors[0] : severalFailed(errors)
  })
}

/** The settings of every address, all checked before the first is tried. */
function candidates(
  target: string | readonly string[] | ConnectOptions,
  options: ConnectOptions = {},
): Settings[] {
  if (typeof target === 'string') return [settle(options, parseUri(target))]
  if (!isArray(target)) {
    if (typeof target !== 'object' || target === null)
      throw new ArgumentError('uri', `must be a string, a list of them, or options, not ${kindOf(target)}`)
    checkConnectOptions(target)
    return [settle(options, target)]
  }
  if (target.length === 0) throw new ArgumentError('uri', 'must name at least one server')
  const settings = target.map(uri => settle(options, parseUri(uri)))
  return shuffle(settings, options.random ?? Math.random)
}

/** Array.isArray does not know read-only arrays. */
function isArray<T>(target: readonly T[] | ConnectOptions): target is readonly T[] {
  return Array.isArray(target)
}

/** Fisher-Yates: a fleet that restarts must not pile up on the first host of its list. */
function shuffle<T>(items: T[], random: () => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[items[last], items[other]] = [items[other] as T, items[last] as T]
  }
  return items
}

function severalFailed(errors: Error[]): ConnectError {
  const message = `cannot connect to any of ${errors.length} servers: ${errors.map(error => error.message).join('; ')}`
  return new ConnectError(message, 'tcp', undefined, { cause: new AggregateError(errors) })
}
