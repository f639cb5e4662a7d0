// Checks of what applications pass to request and reply, beside those of the channel underneath.

import { ArgumentError } from '../protocol/index.js'
import { isObject } from './arguments.js'

/** Refuses options of the channel underneath that are decided here: what an application says must not be ignored. */
export function refuseOptions(options: object, names: readonly string[], path: string): void {
  isObject(options, path)
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] !== undefined)
      throw new ArgumentError(`${path}.${name}`, 'is decided by thump here')
  }
}
