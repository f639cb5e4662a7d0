// Waiting with an end: every wait of the test support has a deadline and says, when it passes, what it waited for.
// It does not know what is waited for. These timers are real time: processes and sockets are on the other side.

const POLL_INTERVAL_MS = 5

/** Resolves or rejects as `promise` does; rejects when that takes longer than `timeoutMs`, naming `what`. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, expired])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves once `probe` says true, asked every 5 ms; rejects after `timeoutMs`, naming `what`. */
export async function until(
  timeoutMs: number,
  what: string,
  probe: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await probe())) {
    if (performance.now() >= deadline) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await new Promise(resolve => setTimeout(resolve, POLL_INTERVAL_MS))
  }
}
