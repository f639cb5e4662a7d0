// Intervals as RabbitMQ writes them in arguments of streams.

/** A whole number and a unit: years `Y`, months `M` (of 30 days), days `D`, hours `h`, minutes `m`, seconds `s`. */
export type Interval = `${bigint}${'Y' | 'M' | 'D' | 'h' | 'm' | 's'}`

const INTERVAL = /^0*[1-9][0-9]*[YMDhms]$/

export function isInterval(value: unknown): value is Interval {
  return typeof value === 'string' && INTERVAL.test(value)
}
