// Which blocks of code have run, from V8 itself. It must be started before the code is loaded, because what is compiled without
// counters has none; and it makes everything slow: it is for a worker (exploration-worker.ts).

import { type Profiler, Session } from 'node:inspector'

interface Script {
  /** By offset in the source: 1 if it ever ran. */
  reached: Uint8Array
  /** The same for what ran since the look before. */
  recent: Uint8Array
  /** Where blocks begin and end. */
  readonly edges: Set<number>
}

export class Coverage {
  readonly #session = new Session()
  readonly #scripts = new Map<string, Script>()
  readonly #recent = new Set<Script>()
  readonly #isWanted: (url: string) => boolean

  /** Counts from here on, in the scripts whose URL is wanted. */
  constructor(isWanted: (url: string) => boolean) {
    this.#isWanted = isWanted
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Whether something has run since the last look that never ran before `keep`. */
  look(): boolean {
    this.#recent.clear()
    let isNews = false
    for (const { url, functions } of this.#take()) {
      if (!this.#isWanted(url)) continue
      const script = this.#scriptOf(url, functions)
      this.#recent.add(script)
      paint(script, functions)
      isNews ||= hasNews(script)
    }
    return isNews
  }

  /** What the last look has found is no news any more. */
  keep(): void {
    for (const { recent, reached } of this.#recent) {
      for (let offset = 0; offset < recent.length; offset++) if (recent[offset] === 1) reached[offset] = 1
    }
  }

  /** Blocks that are known, and those that ran. A function that never ran is a single one. */
  get blocks(): { readonly reached: number; readonly known: number } {
    let [reached, known] = [0, 0]
    for (const script of this.#scripts.values()) {
      const edges = [...script.edges].sort((a, b) => a - b)
      known += edges.length - 1
      for (const edge of edges.slice(0, -1)) reached += script.reached[edge] as number
    }
    return { reached, known }
  }

  #take(): Profiler.ScriptCoverage[] {
    let taken: Profiler.ScriptCoverage[] | undefined
    // The session is one of this thread with itself: it answers before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error
      taken = answer.result
    })
    if (taken === undefined) throw new Error('V8 did not tell its coverage at once')
    return taken
  }

  #scriptOf(url: string, functions: readonly Profiler.FunctionCoverage[]): Script {
    const length = Math.max(...functions.map(({ ranges }) => ranges[0]?.endOffset ?? 0))
    const known = this.#scripts.get(url)
    const script = known ?? {
      reached: new Uint8Array(length),
      recent: new Uint8Array(length),
      edges: new Set(),
    }
    if (script.reached.length < length) {
      script.reached = resized(script.reached, length)
      script.recent = new Uint8Array(length)
    }
    if (known === undefined) this.#scripts.set(url, script)
    return script
  }
}

/** Functions come from the outside in, and so do the ranges of each: what comes later is painted over what came before. */
function paint({ recent, edges }: Script, functions: readonly Profiler.FunctionCoverage[]): void {
  recent.fill(0)
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      if (!edges.has(startOffset)) edges.add(startOffset)
      if (!edges.has(endOffset)) edges.add(endOffset)
      recent.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
  }
}

/** In a loop: `some` would take ten times as long, and this is done all the time. */
function hasNews({ recent, reached }: Script): boolean {
  for (let offset = 0; offset < recent.length; offset++) {
    if (recent[offset] === 1 && reached[offset] === 0) return true
  }
  return false
}

function resized(octets: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length)
  larger.set(octets)
  return larger
}
