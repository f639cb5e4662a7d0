// The rules of the house, each a function from the sources to complaints: who may import whom, what the layers without
// input and output must not know, what the layer of sockets must not name, and the shape of a file. They judge texts,
// not the disk, so that every rule can be shown to bite.

import type { Import, SourceFile } from './source-file.js'
import type { Token } from './tokens.js'

export interface Project {
  readonly sources: readonly SourceFile[]
  /** Paths of all test files, from the project's root. */
  readonly tests: ReadonlySet<string>
}

type Rule = (project: Project) => string[]

/** Which layers a layer may import, always through their index. Imports go one way; types are no exception. */
const BELOW: Readonly<Record<string, readonly string[]>> = Object.freeze({
  frames: [],
  protocol: ['frames'],
  connection: ['protocol'],
  testing: ['frames', 'protocol'],
  index: ['frames', 'protocol', 'connection'],
})

/** They take octets, commands and `now`, and give octets, events and a deadline. */
const PURE = new Set(['frames', 'protocol'])
/** They own sockets and timers. */
const WITH_NODE = new Set(['connection', 'testing'])

const IMPURE_WORDS = new Set([
  ...['performance', 'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval'],
  ...[
    'clearImmediate',
    'queueMicrotask',
    'process',
    'globalThis',
    'Promise',
    'PromiseLike',
    'async',
    'await',
  ],
  ...['EventEmitter', 'EventTarget', 'AbortSignal', 'console', 'crypto', 'require'],
])

const REPLY_CODES = new Set([
  200, 311, 312, 313, 320, 402, 403, 404, 405, 406, 501, 502, 503, 504, 505, 506, 530, 540, 541,
])
const CODEC_NAME = /[Cc]odec|[Ee]ncode|[Dd]ecode|^METHODS?$|(CLASS|METHOD)_IDS?$|^(REPLY_CODES?|ReplyCodes?)$/
const LINES_MAX = 400

const importsGoOneWay: Rule = ({ sources }) =>
  sources.flatMap(file =>
    relativeImports(file).flatMap(one => {
      const target = file.resolve(one)
      const layer = layerOf(target)
      if (layer === file.layer) return []
      const allowed = BELOW[file.layer]
      if (allowed === undefined) return [`${file.path}: src/${file.layer} is no known layer`]
      if (!allowed.includes(layer)) return [at(file, one, `${file.layer} must not import ${layer}`)]
      if (target !== `src/${layer}/index.ts`)
        return [at(file, one, `reaches past the index of ${layer}: ${target}`)]
      return []
    }),
  )

const onlyConnectionKnowsNode: Rule = ({ sources }) =>
  sources.flatMap(file =>
    file.imports
      .filter(one => !one.specifier.startsWith('.'))
      .filter(one => !(WITH_NODE.has(file.layer) && one.specifier.startsWith('node:')))
      .map(one => at(file, one, `must not import '${one.specifier}'`)),
  )

const noCircle: Rule = ({ sources }) => {
  const byPath = new Map(sources.map(file => [file.path, file]))
  const done = new Set<string>()
  const complaints: string[] = []
  const visit = (file: SourceFile, trail: readonly string[]) => {
    if (trail.includes(file.path)) {
      complaints.push(`circle: ${[...trail.slice(trail.indexOf(file.path)), file.path].join(' -> ')}`)
      return
    }
    if (done.has(file.path)) return
    for (const one of relativeImports(file)) {
      const target = byPath.get(file.resolve(one))
      if (target !== undefined) visit(target, [...trail, file.path])
    }
    done.add(file.path)
  }
  for (const file of sources) visit(file, [])
  return complaints
}

const noTimeNoChance: Rule = ({ sources }) =>
  sources
    .filter(file => PURE.has(file.layer))
    .flatMap(file =>
      file.code
        .filter((token, index) => isImpure(token, file.code, index))
        .map(token =>
          at(
            file,
            token,
            `must not know ${IMPURE_WORDS.has(token.text) ? token.text : `${token.text} as a source`}`,
          ),
        ),
    )

const connectionNamesNoCodes: Rule = ({ sources }) =>
  sources
    .filter(file => file.layer === 'connection')
    .flatMap(file => [
      ...file.imports.flatMap(one =>
        one.names
          .filter(name => CODEC_NAME.test(name))
          .map(name => at(file, one, `must not import the codec's ${name}`)),
      ),
      ...file.code.flatMap((token, index) => {
        if (token.kind !== 'number') return []
        if (REPLY_CODES.has(numberOf(token))) return [at(file, token, `names the reply code ${token.text}`)]
        const named = file.code
          .slice(Math.max(0, index - 4), index)
          .find(one => /^(classId|methodId)$/.test(one.text))
        return named === undefined ? [] : [at(file, token, `names the ${named.text} ${token.text}`)]
      }),
    ])

const noTopLevelAwait: Rule = ({ sources }) =>
  sources.flatMap(file =>
    file.code
      .filter(
        (token, index) =>
          token.text === 'await' && token.kind === 'word' && !isInAsyncFunction(file.code, index),
      )
      .map(token => at(file, token, 'awaits at the top level: require() of the package would fail')),
  )

const everyFileHasAHead: Rule = ({ sources }) =>
  sources.filter(file => !file.beginsWithComment).map(file => `${file.path}: does not begin with a comment`)

const noFileIsLong: Rule = ({ sources }) =>
  sources
    .filter(file => file.lineCount > LINES_MAX)
    .map(file => `${file.path}: has ${file.lineCount} lines, at most ${LINES_MAX} are allowed`)

const everyPureFileHasATest: Rule = ({ sources, tests }) =>
  sources
    .filter(file => PURE.has(file.layer) && !file.path.endsWith('/index.ts') && !file.isOnlyTypes)
    .filter(file => {
      const stem = file.path.replace(/^src\//, 'test/').replace(/\.ts$/, '')
      return !['', '.property', '.model'].some(kind => tests.has(`${stem}${kind}.test.ts`))
    })
    .map(file => `${file.path}: has no test file`)

export const RULES: Readonly<Record<string, Rule>> = Object.freeze({
  'imports go one way, and through the index of a layer': importsGoOneWay,
  'only the connection layer knows Node, and nobody another package': onlyConnectionKnowsNode,
  'no imports run in a circle': noCircle,
  'frames and protocol know no time, chance, promise or event loop': noTimeNoChance,
  'connection names no reply code and no method id, and imports no codec': connectionNamesNoCodes,
  'nothing awaits at the top level': noTopLevelAwait,
  'every file begins with a comment': everyFileHasAHead,
  'no file is longer than 400 lines': noFileIsLong,
  'every file of frames and protocol has a test file': everyPureFileHasATest,
})

function relativeImports(file: SourceFile): readonly Import[] {
  return file.imports.filter(one => one.specifier.startsWith('.'))
}

function layerOf(path: string): string {
  const [, folder = '', name] = path.split('/')
  return name === undefined ? folder.replace(/\.ts$/, '') : folder
}

function at(file: SourceFile, { line }: { readonly line: number }, text: string): string {
  return `${file.path}:${line}: ${text}`
}

function numberOf(token: Token): number {
  return Number(token.text.replaceAll('_', '').replace(/n$/, ''))
}

/** Names after a dot are members of something; of `Date` and `Math` only what asks the machine is impure. */
function isImpure(token: Token, code: readonly Token[], index: number): boolean {
  const before = code[index - 1]?.text
  if (token.kind !== 'word' || before === '.' || before === '?.') return false
  if (token.text === 'Math') return code[index + 2]?.text === 'random'
  if (token.text === 'Date') return isClock(code.slice(index - 1, index + 3).map(one => one.text))
  return IMPURE_WORDS.has(token.text)
}

/** A timestamp of AMQP is a Date: `instanceof Date`, the type, and a Date of given milliseconds are no clock. */
function isClock([before, , after, next]: readonly string[]): boolean {
  if (before === 'new') return after !== '(' || next === ')'
  return after === '.' || after === '('
}

/**
 * Whether the code at this index stands in a function that is marked async: looks for the mark in its own statement, then
 * before the bracket of every block around it. A text without grammar gives no certainty (two statements without a
 * block between them look like one); the packed package does, when `require()` of it is tried.
 */
function isInAsyncFunction(code: readonly Token[], index: number): boolean {
  let depth = 0
  let isEarlierStatement = false
  for (let at = index - 1; at >= 0; at -= 1) {
    const { text, kind, line } = code[at] as Token
    if (kind === 'mark' && CLOSING.has(text)) {
      isEarlierStatement ||= depth === 0 && text === '}' && (code[at + 1]?.line ?? 0) > line
      depth += 1
    } else if (kind === 'mark' && OPENING.has(text)) {
      if (depth === 0) isEarlierStatement = false
      else depth -= 1
    } else if (depth === 0 && text === 'async' && !isEarlierStatement) return true
  }
  return false
}

const OPENING = new Set(['{', '(', '['])
const CLOSING = new Set(['}', ')', ']'])
