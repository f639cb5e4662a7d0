// What a view is told, and what it looks at.

import type { Connection } from '../src/index.js'
import type { LedgerCounts } from './ledger.js'

/** How a happening is meant. */
export type Tone = 'step' | 'good' | 'bad' | 'plain'

/** How things stand at a moment. */
export interface Snapshot {
  readonly broker: string
  readonly isFrozen: boolean
  /** Absent between two lives. */
  readonly connection: Connection | undefined
  /** Lives so far, the present one included. */
  readonly lives: number
  readonly counts: LedgerCounts
}

export interface View {
  /** Something happened. */
  tell(text: string, tone?: Tone): void
  /** From now on it looks by itself how things stand. */
  begin(look: () => Snapshot): void
  /** The last picture stays. */
  end(): void
}

/** Seconds with one digit, for people. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
