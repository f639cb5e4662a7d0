// Who calls: whether a call of cancel() or close() comes from inside a consumer's handler, and from which one. Such a call
// waits for handlers, and to wait for the one that awaits it would be to wait for ever.
//
// The stack knows. V8 follows what an async function awaits: behind the frames that run now it names the functions that wait
// for them, across awaits, `then`, Promise.all and `for await`. So the function that runs a handler, and awaits it, has a
// name of its own, and is found by it. The name is a property, set at run time, so that no bundler changes it.
//
// Rejected: AsyncLocalStorage. On Node 20 it costs 0.25-0.4 µs for each message and makes every promise of the process
// slower; here only the rare call of cancel() or close() pays, some ten microseconds.
//
// What it does not see: a call from a callback that nobody awaits (a timer, a listener of an event emitter), or from code that
// was compiled down to generators or uses promises other than the native ones. Nor does it see a handler that merely awaits
// what somebody else has called. Such a handler is waited for, and the bound of the wait holds.

const RUNNER_NAME = /thump handler \d+/

let runners = 0

/** Makes the functions findable that run a handler, one that calls it and one that awaits it. Returns their name, which no others have. */
export function nameRunner(...functions: ((...args: never[]) => unknown)[]): string {
  const name = `thump handler ${++runners}`
  for (const each of functions) Object.defineProperty(each, 'name', { value: name })
  return name
}

/** The name of the runner whose handler is calling now; undefined when the caller is no handler. */
export function callingHandler(): string | undefined {
  return RUNNER_NAME.exec(functionsOnStack())?.[0]
}

/**
 * The names of the functions on the stack, innermost first. Two globals say how far and in what form a stack is told. Where
 * they cannot be set (frozen intrinsics), it is told in the form of whoever froze them.
 */
function functionsOnStack(): string {
  const before = GLOBALS.map(name => [name, Object.getOwnPropertyDescriptor(Error, name)] as const)
  try {
    Reflect.set(Error, 'stackTraceLimit', Number.POSITIVE_INFINITY)
    Reflect.set(Error, 'prepareStackTrace', namesOf)
    const holder: { stack?: unknown } = {}
    Error.captureStackTrace(holder)
    return String(holder.stack)
  } catch {
    // The application's own prepareStackTrace threw.
    return ''
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(Error, name)
      else Reflect.defineProperty(Error, name, descriptor)
    }
  }
}

const GLOBALS = ['stackTraceLimit', 'prepareStackTrace'] as const

function namesOf(_error: Error, callSites: readonly NodeJS.CallSite[]): string {
  return callSites.map(callSite => callSite.getFunctionName()).join('\n')
}
