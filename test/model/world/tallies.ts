// What happened how often, over many programs.

import { Histogram } from '../../fuzz/histogram.js'

export class Tallies {
  readonly operations = new Histogram('operations')
  readonly outcomes = new Histogram('outcomes')
  readonly bodies = new Histogram('body sizes')
  readonly fields = new Histogram('header types')

  /** Everything that others have counted. */
  add(others: Tallies): void {
    this.all.forEach((histogram, index) => {
      histogram.add(others.all[index] as Histogram)
    })
  }

  get all(): readonly Histogram[] {
    return [this.operations, this.outcomes, this.bodies, this.fields]
  }
}
