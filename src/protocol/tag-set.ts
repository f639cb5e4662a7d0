// A set of delivery tags. They count up on a channel, so they are added in ascending order, and mostly taken away from the
// front: an array with a head is a third of the cost of a Set there. A tag that is taken out of the middle leaves a hole,
// its own negative, so that what is behind it is still found by halving; holes never outnumber the tags for long.

/** So many holes, or tags in front of the head, cost nothing. */
const IDLE = 64

export class TagSet {
  /** Ascending, holes by their absolute value. */
  #tags: number[] = []
  /** Index of the smallest tag; never of a hole. */
  #head = 0
  #size = 0

  has(tag: number): boolean {
    return this.#indexOf(tag) !== -1
  }

  /** The tag is larger than all that are there, or were. */
  add(tag: number): void {
    this.#tags.push(tag)
    this.#size++
  }

  /** Whether it was there. */
  delete(tag: number): boolean {
    const index = this.#indexOf(tag)
    if (index === -1) return false
    this.#size--
    if (index === this.#head) this.#advance(index + 1)
    else this.#tags[index] = -tag
    this.#trim()
    return true
  }

  /** Removes and returns the tag and all before it. */
  takeUpTo(last: number): number[] {
    const taken: number[] = []
    let index = this.#head
    for (; index < this.#tags.length; index++) {
      const tag = this.#tags[index] as number
      if (Math.abs(tag) > last) break
      if (tag > 0) taken.push(tag)
    }
    this.#size -= taken.length
    this.#advance(index)
    this.#trim()
    return taken
  }

  /** Puts tags back that were taken, in whatever order. */
  restore(tags: readonly number[]): void {
    this.#tags = [...this.values(), ...tags].sort((a, b) => a - b)
    this.#head = 0
    this.#size = this.#tags.length
  }

  /** Ascending. */
  values(): number[] {
    return this.#tags.slice(this.#head).filter(tag => tag > 0)
  }

  clear(): void {
    this.#tags = []
    this.#head = 0
    this.#size = 0
  }

  #indexOf(tag: number): number {
    const tags = this.#tags
    let low = this.#head
    if (tags[low] === tag) return low
    let high = tags.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Math.abs(tags[middle] as number) < tag) low = middle + 1
      else high = middle
    }
    return tags[low] === tag ? low : -1
  }

  #advance(head: number): void {
    const tags = this.#tags
    let index = head
    while ((tags[index] as number) < 0) index++
    this.#head = index
  }

  #trim(): void {
    if (this.#size === 0) {
      this.#tags.length = 0
      this.#head = 0
    } else if (this.#tags.length > 2 * this.#size + IDLE) {
      this.#tags = this.values()
      this.#head = 0
    }
  }
}
