// What every check hands to the verdict: one thing that may still be there at the end of a test.

export interface Remainder {
  /** Title of the test or suite in which it came to be. */
  readonly owner: string
  /** Asked at every look: things may go while the verdict waits. */
  readonly isThere: boolean
  /**
   * Whether it may be the heart of something that an enclosing suite holds open (a timer that a shared connection
   * armed, its `closed`): then it is judged when that something is gone.
   */
  readonly mayBelongToSuite: boolean
  /** Whether it goes by itself in a moment, as a handle does whose close has been asked for. */
  readonly mayBeGoing: boolean
  describe(): string
  /** Makes the rest of the run safe from it: once told, a leak must not keep the process or spoil other tests. */
  release(): void
}
