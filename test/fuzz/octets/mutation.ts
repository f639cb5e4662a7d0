// What is done to the octets of a stream, and at which place: a bit flipped, octets replaced, put in, taken out or doubled, or
// nothing more from there on. The places are offsets of the stream, so it makes no difference how that is cut into chunks.

import type { Random } from '../random.js'

/** What is done. */
export type Change =
  | { readonly kind: 'flip'; readonly bit: number }
  | { readonly kind: 'replace'; readonly octet: number }
  | { readonly kind: 'insert'; readonly octets: readonly number[] }
  | { readonly kind: 'remove'; readonly count: number }
  | { readonly kind: 'double'; readonly count: number }
  /** Silence. */
  | { readonly kind: 'truncate' }
  /** The end of the stream. */
  | { readonly kind: 'end' }

/** It, and where. */
export type Mutation = Change & { readonly offset: number }

/** In comparison. Where nothing more comes a session waits for long, and all such sessions are alike. */
const KINDS = { flip: 9, replace: 6, insert: 1.5, remove: 1.5, double: 1.5, truncate: 1, end: 1 }
const OCTETS_MAX = 20

export function anyChange(random: Random): Change {
  const kind = random.weighted(KINDS)
  switch (kind) {
    case 'flip':
      return { kind, bit: random.below(8) }
    case 'replace':
      return { kind, octet: random.below(256) }
    case 'insert':
      return { kind, octets: [...random.octets(random.between(1, OCTETS_MAX))] }
    case 'remove':
    case 'double':
      return { kind, count: random.between(1, OCTETS_MAX) }
    default:
      return { kind }
  }
}

/** Carries out mutations on a stream that passes in chunks. */
export class Mutator {
  readonly #mutations: Mutation[]
  /** Of what is to come twice: what has come once. */
  readonly #copied: number[] = []
  #passed = 0
  #isSilent = false
  #hasEnded = false

  constructor(mutations: readonly Mutation[]) {
    this.#mutations = [...mutations]
  }

  /** One more, of what has not passed yet. */
  add(mutation: Mutation): void {
    this.#mutations.push(mutation)
  }

  /** Nothing more comes, and who reads is to be told so. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** What is left of the chunk. */
  mutate(chunk: Buffer): Buffer {
    const from = this.#passed
    this.#passed += chunk.length
    if (!this.#isSilent && !this.#mutations.some(mutation => touches(mutation, from, this.#passed)))
      return chunk
    const octets: number[] = []
    for (const [index, octet] of chunk.entries()) {
      const left = this.#at(from + index, octet)
      if (!this.#isSilent) octets.push(...left)
    }
    return Buffer.from(octets)
  }

  #at(offset: number, octet: number): readonly number[] {
    let result: readonly number[] = [octet]
    for (const mutation of this.#mutations) result = this.#apply(mutation, offset, octet, result)
    return result
  }

  #apply(mutation: Mutation, offset: number, octet: number, octets: readonly number[]): readonly number[] {
    const isThere = offset === mutation.offset
    switch (mutation.kind) {
      case 'flip':
        return isThere ? octets.map(each => each ^ (1 << mutation.bit)) : octets
      case 'replace':
        return isThere ? octets.map(() => mutation.octet) : octets
      case 'insert':
        return isThere ? [...mutation.octets, ...octets] : octets
      case 'remove':
        return isWithin(offset, mutation) ? [] : octets
      case 'double':
        return this.#double(mutation, offset, octet, octets)
      default:
        this.#isSilent ||= isThere
        this.#hasEnded ||= isThere && mutation.kind === 'end'
        return octets
    }
  }

  /** The octets again, behind the last of them. */
  #double(
    mutation: Mutation & { kind: 'double' },
    offset: number,
    octet: number,
    octets: readonly number[],
  ): readonly number[] {
    if (!isWithin(offset, mutation)) return octets
    this.#copied.push(octet)
    if (this.#copied.length < mutation.count) return octets
    return [...octets, ...this.#copied.splice(0)]
  }
}

/** Whether the mutation is about octets from one offset up to, and without, another. */
function touches(mutation: Mutation, from: number, to: number): boolean {
  const count = 'count' in mutation ? mutation.count : 1
  return mutation.offset < to && mutation.offset + count > from
}

function isWithin(offset: number, mutation: { readonly offset: number; readonly count: number }): boolean {
  return offset >= mutation.offset && offset < mutation.offset + mutation.count
}
