// The fenced blocks of a Markdown page. Of a block of code it also knows what its program is to print: `// prints: hello`.

/** Languages of blocks that are programs, with the ending of their file. */
const PROGRAMS: Readonly<Record<string, string>> = { ts: 'ts', js: 'cjs' }

export class CodeBlock {
  readonly page: string
  readonly line: number
  readonly language: string
  readonly text: string

  constructor(page: string, line: number, language: string, text: string) {
    this.page = page
    this.line = line
    this.language = language
    this.text = text
  }

  get isProgram(): boolean {
    return this.language in PROGRAMS
  }

  /** What it is called: `README.md:8`. */
  get name(): string {
    return `${this.page}:${this.line}`
  }

  /** Name of its file among those of all pages. */
  get fileName(): string {
    const stem = this.page.replace(/\.md$/, '').replaceAll('/', '-').toLowerCase()
    return `${stem}-${this.line}.${PROGRAMS[this.language]}`
  }

  /** It brings its own imports of thump, and so its own connection. */
  get isWhole(): boolean {
    return /from 'thump'|require\('thump'\)/.test(this.text)
  }

  /** What it is to print, in this order. */
  get prints(): string[] {
    return [...this.text.matchAll(/\/\/ prints: (.*)$/gm)].map(match => match[1] ?? '')
  }
}

/** The fenced blocks of a page, in order. */
export function codeBlocks(page: string, markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { line: number; language: string; rows: string[] } | undefined
  markdown.split('\n').forEach((row, index) => {
    const fence = /^```(.*)$/.exec(row)
    if (fence === null) open?.rows.push(row)
    else if (open === undefined) open = { line: index + 1, language: fence[1] ?? '', rows: [] }
    else {
      blocks.push(new CodeBlock(page, open.line, open.language, `${open.rows.join('\n')}\n`))
      open = undefined
    }
  })
  if (open !== undefined) throw new Error(`${page}: a block that begins in line ${open.line} has no end`)
  return blocks
}
