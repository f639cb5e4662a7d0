// One source file as the rules of the layers see it: its tokens, its imports and its place.

import { posix } from 'node:path'
import { type Token, tokenize } from './tokens.js'

export interface Import {
  /** As written. */
  readonly specifier: string
  readonly line: number
  /** What is imported by name. */
  readonly names: readonly string[]
}

export class SourceFile {
  /** From the project's root, with slashes: `src/frames/constants.ts`. */
  readonly path: string
  readonly lineCount: number
  readonly beginsWithComment: boolean
  /** Without comments. */
  readonly code: readonly Token[]
  readonly imports: readonly Import[]

  constructor(path: string, source: string) {
    const tokens = tokenize(source)
    this.path = path
    this.lineCount = source.replace(/\n$/, '').split('\n').length
    this.beginsWithComment = tokens[0]?.kind === 'comment' && tokens[0].line === 1
    this.code = tokens.filter(token => token.kind !== 'comment')
    this.imports = findImports(this.code)
  }

  /** `frames` for a file of src/frames, `index` for src/index.ts. */
  get layer(): string {
    const [, folder = '', name] = this.path.split('/')
    return name === undefined ? posix.basename(folder, '.ts') : folder
  }

  /** Path of the source file that a relative import means. */
  resolve(one: Import): string {
    return posix.join(posix.dirname(this.path), one.specifier).replace(/\.js$/, '.ts')
  }

  /** Whether nothing of it is there when it runs: only types, or names passed on. */
  get isOnlyTypes(): boolean {
    let depth = 0
    for (const [index, token] of this.code.entries()) {
      if (token.text === '{' || token.text === '(') depth += 1
      if (token.text === '}' || token.text === ')') depth -= 1
      const isDeclared = this.code[index - 1]?.text === 'declare'
      if (depth === 0 && RUNNING.has(token.text) && token.kind === 'word' && !isDeclared) return false
    }
    return true
  }
}

const RUNNING = new Set(['const', 'let', 'var', 'class', 'function'])

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`, with or without `type`. */
function findImports(code: readonly Token[]): Import[] {
  return code.flatMap((token, index) => {
    if (token.kind !== 'string') return []
    const before = code[index - 1]?.text
    const isBare = before === 'import' || (before === '(' && code[index - 2]?.text === 'import')
    if (!isBare && before !== 'from') return []
    return [
      {
        specifier: token.text.slice(1, -1),
        line: token.line,
        names: isBare ? [] : namesBefore(code, index - 1),
      },
    ]
  })
}

/** The names between `import` or `export` and the `from` at this index. */
function namesBefore(code: readonly Token[], from: number): string[] {
  let begin = from - 1
  while (begin > 0 && code[begin]?.text !== 'import' && code[begin]?.text !== 'export') begin -= 1
  const clause = code.slice(begin + 1, from)
  const imported = clause.filter((token, index) => token.kind === 'word' && clause[index - 1]?.text !== 'as')
  return imported.map(token => token.text).filter(name => name !== 'type' && name !== 'as')
}
