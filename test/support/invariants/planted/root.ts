// The root file of the runs that plant faults: the same hooks as the suite's own root file, around a class of their own.

import { invariantHooks, invariants } from '../index.js'
import { Line } from './line.js'

invariants.watchClass(Line)

export const mochaHooks = invariantHooks(invariants)
