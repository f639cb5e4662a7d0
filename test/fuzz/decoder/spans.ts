// Lengths inside payloads and what they are the lengths of, so that a mutation can lie about one, or change what is inside and
// keep all lengths around it true. Four numbers each, in one array: there is one such list for every input that is made.

export const SPAN_KINDS = ['shortstr', 'longstr', 'table', 'array'] as const
export type SpanKind = (typeof SPAN_KINDS)[number]

const FIELDS = 4
/** More than that many are not noted: an input is small. */
const MOST = 512

export class Spans {
  count = 0
  readonly #numbers: Int32Array

  constructor(most = MOST) {
    this.#numbers = new Int32Array(FIELDS * most)
  }

  add(kind: SpanKind, sizeAt: number, start: number, end: number): void {
    this.#put(SPAN_KINDS.indexOf(kind), sizeAt, start, end)
  }

  /** Becomes the same as another list. */
  copy(other: Spans): void {
    this.count = other.count
    this.#numbers.set(other.#numbers)
  }

  /** Everything that lies from `from` up to `to` in another list, moved by `distance`. */
  addAll(other: Spans, from: number, to: number, distance: number): void {
    for (let index = 0; index < other.count; index++) {
      const [sizeAt, end] = [other.sizeAt(index), other.end(index)]
      if (sizeAt < from || end > to) continue
      this.#put(other.#get(index, 0), sizeAt + distance, other.start(index) + distance, end + distance)
    }
  }

  kind(index: number): SpanKind {
    return SPAN_KINDS[this.#get(index, 0)] as SpanKind
  }

  /** Offset of the length. */
  sizeAt(index: number): number {
    return this.#get(index, 1)
  }

  /** Offset of what it is the length of. */
  start(index: number): number {
    return this.#get(index, 2)
  }

  end(index: number): number {
    return this.#get(index, 3)
  }

  /** Octets of the length itself. */
  width(index: number): 1 | 4 {
    return this.#get(index, 0) === 0 ? 1 : 4
  }

  /** Forgets all that lies behind `at`. */
  cut(at: number): void {
    this.shift(at, Number.MAX_SAFE_INTEGER, 0, () => undefined)
  }

  /**
   * Octets were replaced by more or fewer: what lies behind moves with them, what is around grows, and what was cut
   * apart is forgotten. Tells each that grew.
   */
  shift(at: number, removed: number, added: number, grew: (index: number) => void): void {
    const delta = added - removed
    const { count } = this
    this.count = 0
    for (let index = 0; index < count; index++) {
      const kind = this.#get(index, 0)
      const sizeAt = this.#get(index, 1)
      const start = this.#get(index, 2)
      const end = this.#get(index, 3)
      if (sizeAt >= at + removed) this.#put(kind, sizeAt + delta, start + delta, end + delta)
      else if (start <= at && end >= at + removed) {
        this.#put(kind, sizeAt, start, end + delta)
        grew(this.count - 1)
      } else if (end <= at) this.#put(kind, sizeAt, start, end)
    }
  }

  #get(index: number, field: number): number {
    return this.#numbers[FIELDS * index + field] as number
  }

  #put(kind: number, sizeAt: number, start: number, end: number): void {
    const base = FIELDS * this.count
    if (base >= this.#numbers.length) return
    this.count++
    this.#numbers[base] = kind
    this.#numbers[base + 1] = sizeAt
    this.#numbers[base + 2] = start
    this.#numbers[base + 3] = end
  }
}
