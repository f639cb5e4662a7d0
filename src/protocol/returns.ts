// Which publish a basic.return belongs to. The wire does not say, and order alone is wrong: a return comes before its
// confirm, but the confirms of other publishes overtake it (RabbitMQ, measured: 1346 of 1495 wrong). It belongs to one of the
// outstanding mandatory publishes with the same exchange, routing key, properties and body. These are interchangeable, so it
// is given to the first of them that is confirmed: what the broker returns it also confirms, and does not refuse.
//
// Most publishes never come back, and finding out what is alike costs more than sending it. So that waits until something
// does come back; then all that is outstanding is looked at, each once.

import { identityOf } from './message-identity.js'

/** What a message is known by when it comes back. */
export interface ReturnableMessage {
  readonly exchange: string
  readonly routingKey: string
  /** Flags and property list. */
  readonly propertyOctets: Buffer
  readonly body: Buffer
}

/** An outstanding mandatory publish. */
export class Returnable<R> {
  readonly message: ReturnableMessage
  /** Those it may be returned for, itself among them; undefined as long as nothing has come back. */
  alike: Alike<R> | undefined

  constructor(message: ReturnableMessage) {
    this.message = message
  }
}

/** Outstanding mandatory publishes of the same message, and what has come back of them. */
interface Alike<R> {
  readonly key: string
  readonly body: Buffer
  /** All of this key, itself among them: several only if their bodies differ in the middle. */
  readonly siblings: Alike<R>[]
  outstanding: number
  /** Oldest first; never more than are outstanding. */
  readonly returned: R[]
}

export class Returns<R> {
  /** Publishes since something came back. */
  readonly #unsorted = new Set<Returnable<R>>()
  readonly #alike = new Map<string, Alike<R>[]>()

  /** A mandatory publish is being sent. What is returned here stands for it until {@link settle}. */
  add(message: ReturnableMessage): Returnable<R> {
    const publish = new Returnable<R>(message)
    this.#unsorted.add(publish)
    return publish
  }

  /** A message came back. False when it belongs to no outstanding publish. */
  assign(returned: R, message: ReturnableMessage): boolean {
    for (const publish of this.#unsorted) this.#sort(publish)
    this.#unsorted.clear()
    const alike = this.#alike.get(keyOf(message))?.find(({ body }) => body.equals(message.body))
    if (alike === undefined || alike.returned.length === alike.outstanding) return false
    alike.returned.push(returned)
    return true
  }

  /**
   * A publish is confirmed, or it is refused, or nobody waits for it any more. What came back of it, if anything did: of one that
   * is not confirmed only what belongs to no other.
   */
  settle(publish: Returnable<R>, confirmed: boolean): R | undefined {
    const { alike } = publish
    if (alike === undefined) {
      this.#unsorted.delete(publish)
      return undefined
    }
    this.#remove(alike)
    return confirmed || alike.returned.length > alike.outstanding ? alike.returned.shift() : undefined
  }

  #sort(publish: Returnable<R>): void {
    const { body } = publish.message
    const key = keyOf(publish.message)
    const siblings = this.#alike.get(key) ?? []
    const known = siblings.find(alike => alike.body.equals(body))
    const alike = known ?? { key, body, siblings, outstanding: 0, returned: [] }
    alike.outstanding++
    if (known === undefined) siblings.push(alike)
    this.#alike.set(key, siblings)
    publish.alike = alike
  }

  #remove(alike: Alike<R>): void {
    const { key, siblings } = alike
    alike.outstanding--
    if (alike.outstanding > 0) return
    siblings.splice(siblings.indexOf(alike), 1)
    if (siblings.length === 0) this.#alike.delete(key)
  }
}

/**
 * Equal for a message as it was published and as it is returned. All of it counts but the middle of the body: messages of one
 * kind differ in a property (a message id) or at an end of the body, and comparing the whole comes after.
 */
function keyOf({ exchange, routingKey, propertyOctets, body }: ReturnableMessage): string {
  const identity = identityOf(propertyOctets)
  const ends = body.toString('latin1', 0, SAMPLE) + body.toString('latin1', Math.max(0, body.length - SAMPLE))
  return [body.length, exchange.length, exchange, routingKey.length, routingKey, identity, ends].join(' ')
}

/** Octets at each end of a body that are part of the key. */
const SAMPLE = 64
