// What is done to the octets of a stream, at which places, from a seed: bits flipped, octets put in, taken out or replaced.
// The places are offsets of the stream, so the same seed does the same however the stream is cut into chunks.

/** A generator of numbers from 0 to below 1 (mulberry32), because Math.random takes no seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Mutation = { readonly offset: number } & (
  | { readonly kind: 'flip'; readonly bit: number }
  | { readonly kind: 'replace'; readonly octet: number }
  | { readonly kind: 'insert'; readonly octets: readonly number[] }
  | { readonly kind: 'remove'; readonly count: number }
)

/** What RabbitMQ says until a connection is open is about so long, and a session of the tests as a whole. */
const HANDSHAKE_OCTETS = 550
const SESSION_OCTETS = 9_000

/** One to three mutations, in the order of their offsets; a third of them hits the handshake. */
export function mutationsFrom(random: () => number): Mutation[] {
  const below = (limit: number): number => Math.floor(random() * limit)
  const mutations = Array.from({ length: 1 + below(3) }, (): Mutation => {
    const offset =
      random() < 0.33 ? below(HANDSHAKE_OCTETS) : HANDSHAKE_OCTETS + below(SESSION_OCTETS - HANDSHAKE_OCTETS)
    switch (below(4)) {
      case 0:
        return { kind: 'flip', offset, bit: below(8) }
      case 1:
        return { kind: 'replace', offset, octet: below(256) }
      case 2:
        return { kind: 'insert', offset, octets: Array.from({ length: 1 + below(20) }, () => below(256)) }
      default:
        return { kind: 'remove', offset, count: 1 + below(20) }
    }
  })
  return mutations.sort((a, b) => a.offset - b.offset)
}

/** Carries out mutations on a stream that passes in chunks. */
export class Mutator {
  readonly #mutations: Mutation[]
  #passed = 0

  constructor(mutations: readonly Mutation[]) {
    this.#mutations = [...mutations]
  }

  /** What is left of the chunk. */
  mutate(chunk: Buffer): Buffer {
    const octets: number[] = []
    for (const octet of chunk) {
      octets.push(...this.#at(this.#passed, octet))
      this.#passed++
    }
    return Buffer.from(octets)
  }

  #at(offset: number, octet: number): readonly number[] {
    let result: readonly number[] = [octet]
    for (const mutation of this.#mutations) {
      if (mutation.kind === 'remove') {
        if (offset >= mutation.offset && offset < mutation.offset + mutation.count) result = []
      } else if (offset === mutation.offset) {
        if (mutation.kind === 'flip') result = result.map(each => each ^ (1 << mutation.bit))
        else if (mutation.kind === 'replace') result = result.map(() => mutation.octet)
        else result = [...mutation.octets, ...result]
      }
    }
    return result
  }
}
