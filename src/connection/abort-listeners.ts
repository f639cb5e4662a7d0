// One listener on each AbortSignal, for all of this process: an application may end everything with one signal, on twenty
// channels and as many connections, and Node takes the eleventh listener for a leak.

/** Those who want to hear of a signal, and the listener that tells them. */
interface Audience {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const AUDIENCES = new WeakMap<AbortSignal, Audience>()

/** Calls back when the signal fires, which it must not have done before. Returns what ends that. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = AUDIENCES.get(signal) ?? listenTo(signal)
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
    if (callbacks.size > 0 || AUDIENCES.get(signal)?.callbacks !== callbacks) return
    AUDIENCES.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function listenTo(signal: AbortSignal): Audience {
  const callbacks = new Set<() => void>()
  const listener = (): void => {
    AUDIENCES.delete(signal)
    // Who is taken out meanwhile is not told any more.
    for (const callback of callbacks) callback()
  }
  const audience = { callbacks, listener }
  AUDIENCES.set(signal, audience)
  signal.addEventListener('abort', listener, { once: true })
  return audience
}
