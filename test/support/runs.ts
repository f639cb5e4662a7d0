// How often properties are tried. Every property has a number of its own, because one try costs from a microsecond to a second;
// FC_RUNS_FACTOR multiplies them all, for a long run (100) or a short one (0.1).

import fc from 'fast-check'

/** How many times as long as usual the properties run. */
export const runsFactor = Number(process.env['FC_RUNS_FACTOR'] ?? 1)

/** Set by `npm test`, which prints it; fast-check prints its seed with every failure as well. */
const seed = process.env['FC_SEED']

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  numRuns: scaled(100),
})

/** So many tries of a property, as a parameter of `fc.assert`. */
export function runs(count: number): { readonly numRuns: number } {
  return { numRuns: scaled(count) }
}

function scaled(count: number): number {
  return Math.max(1, Math.round(count * runsFactor))
}
