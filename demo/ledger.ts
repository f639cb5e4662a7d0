// The books: what became of every message, by its id. A message is waiting, or on its way, or confirmed; a confirmed one
// never goes back. What came out of the queue is counted beside it: at least once for each confirmed message, and more
// often for some after a connection was lost.

import type { PublishOutcome } from '../src/index.js'

export interface Message {
  readonly id: string
  readonly text: string
}

interface Account {
  readonly message: Message
  fate: 'waiting' | 'outstanding' | 'confirmed'
  published: number
  consumed: number
}

export interface LedgerCounts {
  readonly messages: number
  /** Calls of publish: a message that was published again counts again. */
  readonly published: number
  readonly publishedAgain: number
  readonly confirmed: number
  /** Published, and the promise has not settled yet. */
  readonly outstanding: number
  /** Deliveries, duplicates included. */
  readonly consumed: number
  readonly duplicates: number
  /** Duplicates that the broker delivered again because they had not been acknowledged. */
  readonly redelivered: number
}

export class Ledger {
  readonly #accounts: ReadonlyMap<string, Account>
  readonly #rejected: Record<PublishOutcome, number> = { 'not-sent': 0, unknown: 0 }
  #redelivered = 0
  #changed = 0

  constructor(messages: readonly Message[]) {
    this.#accounts = new Map(
      messages.map(message => [message.id, { message, fate: 'waiting', published: 0, consumed: 0 }]),
    )
  }

  /** The oldest message that waits; from now on it is on its way. */
  take(): Message | undefined {
    for (const account of this.#accounts.values()) {
      if (account.fate !== 'waiting') continue
      account.fate = 'outstanding'
      account.published++
      return account.message
    }
    return undefined
  }

  /** The broker has it. */
  confirm(message: Message): void {
    this.#account(message.id).fate = 'confirmed'
  }

  /** It was not confirmed, and the broker may have it all the same when the outcome is unknown: it waits again. */
  putBack(message: Message, outcome: PublishOutcome): void {
    this.#account(message.id).fate = 'waiting'
    this.#rejected[outcome]++
  }

  /** It came out of the queue; false when it is none of ours, or not what was published. */
  receive(message: Message, redelivered: boolean): boolean {
    const account = this.#accounts.get(message.id)
    if (account?.message.text !== message.text) {
      this.#changed++
      return false
    }
    if (account.consumed > 0 && redelivered) this.#redelivered++
    account.consumed++
    return true
  }

  get counts(): LedgerCounts {
    const accounts = [...this.#accounts.values()]
    const sum = (count: (account: Account) => number) =>
      accounts.reduce((total, account) => total + count(account), 0)
    return {
      messages: accounts.length,
      published: sum(account => account.published),
      publishedAgain: sum(account => Math.max(0, account.published - 1)),
      confirmed: sum(account => Number(account.fate === 'confirmed')),
      outstanding: sum(account => Number(account.fate === 'outstanding')),
      consumed: sum(account => account.consumed),
      duplicates: sum(account => Math.max(0, account.consumed - 1)),
      redelivered: this.#redelivered,
    }
  }

  /** Confirmed, and never seen again: this must be empty when the queue is. */
  get missing(): Message[] {
    const accounts = [...this.#accounts.values()]
    return accounts
      .filter(account => account.fate === 'confirmed' && account.consumed === 0)
      .map(account => account.message)
  }

  /** Publishes that were not confirmed, by what is known of them. */
  get rejected(): Readonly<Record<PublishOutcome, number>> {
    return this.#rejected
  }

  /** Deliveries of something that was never published. */
  get changed(): number {
    return this.#changed
  }

  #account(id: string): Account {
    const account = this.#accounts.get(id)
    if (account === undefined) throw new Error(`there is no message ${id}`)
    return account
  }
}
