// TypeScript source cut into tokens: enough to tell code from comments, strings and regular expressions, for rules about
// which words and numbers may appear where. It knows nothing of grammar. (TypeScript 7 offers its own scanner only as
// an unstable API, and these rules should not break with it.)

export interface Token {
  readonly kind: Kind
  /** The texts of all tokens, one after the other, are the source without the space between them. */
  readonly text: string
  /** From 1. */
  readonly line: number
}

type Kind = 'comment' | 'string' | 'number' | 'word' | 'regex' | 'template' | 'mark'

/** In the order in which they are tried. */
const PATTERNS: readonly (readonly [Kind, RegExp])[] = [
  ['comment', /\/\/[^\n]*|\/\*[\s\S]*?\*\//y],
  ['string', /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y],
  ['number', /0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?/y],
  ['word', /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy],
  ['regex', /\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y],
  ['mark', /=>|\?\.(?!\d)|\.\.\.|[\s\S]/y],
]

const SPACE = /\s*/y
/** From the beginning of a template, or the end of code inside it, to the next code inside it or its end. */
const TEMPLATE_PIECE = /[`}](?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{|$)/y

/** After one of these a slash begins a regular expression; after any other word, a number or a bracket it divides. */
const BEFORE_OPERAND = new Set(
  'return typeof instanceof in of new delete void throw case do else yield await'.split(' '),
)

/** Cuts source text into tokens, comments included. Text that is no TypeScript gives tokens all the same. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  /** For each open brace, whether it stands inside a template. */
  const braces: boolean[] = []
  let offset = source.startsWith('#!') ? source.indexOf('\n') : 0
  let line = 1

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset
    const text = pattern.exec(source)?.[0]
    offset += text?.length ?? 0
    return text
  }
  const push = (kind: Kind, text: string) => {
    tokens.push({ kind, text, line })
    line += countLineEnds(text)
  }

  for (;;) {
    line += countLineEnds(take(SPACE) ?? '')
    const next = source[offset]
    if (next === undefined) return tokens
    if (next === '{') braces.push(false)
    if (next === '`' || (next === '}' && braces.pop() === true)) {
      const piece = take(TEMPLATE_PIECE) ?? ''
      if (piece.endsWith('{')) braces.push(true)
      push('template', piece)
      continue
    }
    for (const [kind, pattern] of PATTERNS) {
      const text = kind === 'regex' && !isOperandNext(tokens) ? undefined : take(pattern)
      if (text === undefined) continue
      push(kind, text)
      break
    }
  }
}

function countLineEnds(text: string): number {
  return text.split('\n').length - 1
}

function isOperandNext(tokens: readonly Token[]): boolean {
  const last = tokens.findLast(token => token.kind !== 'comment')
  if (last === undefined) return true
  if (last.kind === 'word') return BEFORE_OPERAND.has(last.text)
  if (last.kind === 'mark') return !(last.text === ')' || last.text === ']' || last.text === '}')
  return last.kind === 'template' && last.text.endsWith('{')
}
