// Where something was created: the stack at that moment, formatted only when somebody asks, because nearly all that is
// created in a test is gone before its end. It tells the project's frames from those of Node and of mocha.

const STACK_DEPTH = 24

/** mocha arms a timer and an immediate around each test and hook: they are its own business. */
const RUNNER = /[\\/]node_modules[\\/]mocha[\\/]/
/** This folder's own files (not its tests, nor what they plant): the caller is the one to name. */
const HARNESS = /[\\/]support[\\/]invariants[\\/][\w-]+\.[jt]s:/
const NODE = /\((node:|native)|^ *at (node:|async node:)|<anonymous>\)?$/

export class Origin {
  readonly #trace: { readonly stack?: string }

  constructor(below: (...parameters: never[]) => unknown) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = STACK_DEPTH
    const trace: { stack?: string } = {}
    Error.captureStackTrace(trace, below)
    Error.stackTraceLimit = limit
    this.#trace = trace
  }

  /** Frames outside Node and this harness, innermost first. */
  get frames(): readonly string[] {
    const lines = (this.#trace.stack ?? '').split('\n').slice(1)
    return lines.filter(line => !NODE.test(line) && !HARNESS.test(line)).map(line => line.trim())
  }

  /** Whether the code that asked for it was the test runner. */
  get isRunner(): boolean {
    const innermost = this.frames[0]
    return innermost !== undefined && RUNNER.test(innermost)
  }

  /** One line for a message: who created it. */
  toString(): string {
    const frames = this.frames.filter(frame => !RUNNER.test(frame))
    return frames.length === 0 ? 'by Node itself' : frames.slice(0, 3).join('\n        ')
  }
}
