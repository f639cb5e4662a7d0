// The cheap feedback: what came of an input, as a number. One that was not seen before is an input worth keeping.

const PRIME = 0x01000193

/** Mixes a number into a hash (FNV-1a, by numbers instead of octets). */
export function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, PRIME)
}

/** Of the text of an error what is the same for all of its kind: up to what is quoted, and without numbers. */
export function mixText(hash: number, text: string): number {
  let mixed = hash
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit === 0x22) break
    if (unit < 0x30 || unit > 0x39) mixed = mix(mixed, unit)
  }
  return mixed
}

export class Signatures {
  readonly #seen = new Set<number>()

  get size(): number {
    return this.#seen.size
  }

  /** Whether it is new. */
  add(signature: number): boolean {
    const before = this.#seen.size
    return this.#seen.add(signature).size > before
  }
}
