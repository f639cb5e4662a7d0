// Whether work grows with its input, and no faster. Linear work takes eight times as long for eight times as much, quadratic
// sixty-four times: the verdict lies in the middle between both and says nothing about how fast anything is. It is time of the
// processor, so that other processes do not count, and on the best of many tries: the engine's compiler and collector cannot
// fall into every one.

const TIMES = 8
const TIMES_AS_LONG = 24
const TRIES = 15
/** Microseconds; the clock of the processor may have no finer ticks. */
const TICK = 1_000

/**
 * @param workOf what is to be done for a size; making it ready does not count
 * @throws {Error} when eight times as much to do takes far more than eight times as long, in every try
 */
export function expectLinear(what: string, size: number, workOf: (size: number) => () => void): void {
  const [small, large] = [workOf(size), workOf(TIMES * size)]
  let [once, many] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let count = 0; count < TRIES; count++) {
    once = Math.min(once, microsecondsOf(small))
    many = Math.min(many, microsecondsOf(large))
    if (count > 0 && many < TIMES_AS_LONG * once + TICK) return
  }
  throw new Error(`${what}: ${many} microseconds, when an eighth of it takes ${once}`)
}

function microsecondsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
