// Where the project lies whose benchmark this is: its packages, its baseline, its documentation. scripts/bench.js says it,
// as what is measured may have been compiled to anywhere.

import { join } from 'node:path'

const CHECKOUT = process.env['BENCH_CHECKOUT'] ?? process.cwd()

export function inCheckout(...path: readonly string[]): string {
  return join(CHECKOUT, ...path)
}
