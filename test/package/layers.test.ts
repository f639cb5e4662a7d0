import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../support/rabbitmq/project-root.js'
import { type Project, RULES } from './layer-rules.js'
import { SourceFile } from './source-file.js'

function typeScriptFiles(folder: string): string[] {
  const names = readdirSync(join(projectRoot(), folder), { recursive: true, encoding: 'utf8' })
  return names.filter(name => name.endsWith('.ts')).map(name => `${folder}/${name.replaceAll('\\', '/')}`)
}

const HEAD = '// What it is.\n'

/** Complaints of all rules about a project of these texts; the files of frames and protocol have their tests. */
function complaintsAbout(texts: Readonly<Record<string, string>>): string[] {
  const sources = Object.entries(texts).map(([path, text]) => new SourceFile(path, HEAD + text))
  const tests = new Set(sources.map(file => file.path.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts')))
  return Object.values(RULES).flatMap(rule => rule({ sources, tests }))
}

describe('The layers of the source', () => {
  let project: Project

  before(() => {
    const sources = typeScriptFiles('src').map(
      path => new SourceFile(path, readFileSync(join(projectRoot(), path), 'utf8')),
    )
    project = { sources, tests: new Set(typeScriptFiles('test')) }
  })

  for (const [name, rule] of Object.entries(RULES)) {
    it(`hold: ${name}`, () => {
      expect(project.sources).not.to.be.empty
      expect(rule(project).join('\n')).to.equal('')
    })
  }
})

describe('The rules of the layers', () => {
  const found = (path: string, text: string, others: Readonly<Record<string, string>> = {}) =>
    complaintsAbout({ ...others, [path]: text })

  it('let good sources be', () => {
    const complaints = complaintsAbout({
      'src/frames/frame.ts':
        "export const size: number = Buffer.alloc(8).length / 2 // a Date in a comment, a 'Promise'\n",
      'src/frames/index.ts': "export { size } from './frame.js'\n",
      'src/protocol/clock.ts': `import { size } from '../frames/index.js'
        export const text = 'process Date'.process + size
        export const isDate = (x: Date | number) => x instanceof Date && new Date(size * 1000) > x
        export const x = Math.max(1, 2)
      `,
      'src/protocol/index.ts': "export { x } from './clock.js'\n",
      'src/connection/socket.ts': `import { connect } from 'node:net'
        import { x } from '../protocol/index.js'
        export async function open(): Promise<{ y: number }> {
          if (x) await connect(x)
        }
        export const again = async ({ x }) => await open(x)
      `,
      'src/index.ts': "export { open } from './connection/index.js'\n",
    })
    expect(complaints).to.deep.equal([])
  })

  for (const [path, text] of [
    ['src/frames/a.ts', "import { x } from '../protocol/index.js'"],
    ['src/frames/a.ts', "import type { X } from '../protocol/index.js'"],
    ['src/protocol/a.ts', "export { x } from '../connection/index.js'"],
    ['src/protocol/a.ts', "export * from '../index.js'"],
    ['src/protocol/a.ts', "type X = import('../connection/index.js').X"],
    ['src/connection/a.ts', "import { x } from '../frames/index.js'"],
    ['src/connection/a.ts', "import { x } from '../index.js'"],
    ['src/connection/a.ts', "import { x } from '../testing/index.js'"],
    ['src/testing/a.ts', "import { x } from '../connection/index.js'"],
  ] as const) {
    it(`bite: ${text} in ${path}`, () => {
      expect(found(path, text))
        .to.have.lengthOf(1)
        .and.property('0')
        .matches(/:2: \w+ must not import \w+$/)
    })
  }

  it('bite: an import past the index of another layer', () => {
    const [complaint] = found('src/protocol/a.ts', "import { x } from '../frames/byte-reader.js'")
    expect(complaint).to.equal(
      'src/protocol/a.ts:2: reaches past the index of frames: src/frames/byte-reader.ts',
    )
  })

  it('bite: a layer that nobody knows', () => {
    expect(found('src/utils/a.ts', "import { x } from '../frames/index.js'").join()).to.contain(
      'no known layer',
    )
  })

  for (const [path, specifier] of [
    ['src/frames/a.ts', 'node:buffer'],
    ['src/protocol/a.ts', 'node:net'],
    ['src/index.ts', 'node:events'],
    ['src/connection/a.ts', 'net'],
    ['src/connection/a.ts', 'amqplib'],
  ] as const) {
    it(`bite: '${specifier}' in ${path}`, () => {
      expect(found(path, `import { x } from '${specifier}'`)).to.deep.equal([
        `${path}:2: must not import '${specifier}'`,
      ])
      expect(found(path, `import '${specifier}'`)).to.have.lengthOf(1)
      expect(found(path, `const load = () => import('${specifier}')`)).to.have.lengthOf(1)
    })
  }

  it('bite: a circle inside a layer, of types too', () => {
    const complaints = complaintsAbout({
      'src/protocol/a.ts': "import { b } from './b.js'",
      'src/protocol/b.ts': "import { c } from './c.js'",
      'src/protocol/c.ts': "import type { A } from './a.js'",
    })
    expect(complaints).to.deep.equal([
      'circle: src/protocol/a.ts -> src/protocol/b.ts -> src/protocol/c.ts -> src/protocol/a.ts',
    ])
  })

  for (const code of [
    'Date.now()',
    'new Date()',
    'Date()',
    'performance.now()',
    'setTimeout(x, 1)',
    'setInterval(x, 1)',
    'setImmediate(x)',
    'queueMicrotask(x)',
    'process.nextTick(x)',
    'globalThis.x',
    'Math.random()',
    'Promise.resolve()',
    'x as Promise<void>',
    'async () => 1',
    'new EventEmitter()',
    'console.log(x)',
    '`@{Date.now()}`'.replace('@', '$'),
  ]) {
    it(`bite: ${code} in frames and in protocol`, () => {
      for (const layer of ['frames', 'protocol']) {
        const path = `src/${layer}/a.ts`
        expect(found(path, `export const y = ${code}`))
          .to.have.lengthOf(1)
          .and.property('0')
          .contains('must not know')
        expect(found(path, `export const y = ${JSON.stringify(code)} // ${code}`)).to.deep.equal([])
      }
      expect(found('src/connection/a.ts', `export const y = ${code}`)).to.deep.equal([])
    })
  }

  for (const code of ['404', '0x140', '5_01', '541']) {
    it(`bite: the reply code ${code} in connection`, () => {
      expect(found('src/connection/a.ts', `x.close(${code})`)).to.deep.equal([
        `src/connection/a.ts:2: names the reply code ${code}`,
      ])
      expect(found('src/protocol/a.ts', `x.close(${code})`)).to.deep.equal([])
    })
  }

  for (const code of ['{ classId: 60, methodId }', 'if (x.methodId === 40) y()', 'const classId = 10']) {
    it(`bite: ${code} in connection`, () => {
      expect(found('src/connection/a.ts', code))
        .to.have.lengthOf(1)
        .and.property('0')
        .matches(/names the \w+ \d+/)
    })
  }

  it('bite: the codec in connection', () => {
    const [complaint] = found(
      'src/connection/a.ts',
      "import { type A, encodeMethod as e } from '../protocol/index.js'",
    )
    expect(complaint).to.equal("src/connection/a.ts:2: must not import the codec's encodeMethod")
  })

  for (const code of [
    'await x',
    'if (x) {\n  await y\n}',
    'for await (const x of y) z()',
    'export const x = await y()',
    'async function f() {\n  await g()\n}\nawait f()',
    'async function f() {\n}\nclass A {\n  static x = await f()\n}',
  ]) {
    it(`bite: a top-level await: ${code.replace(/\s+/g, ' ')}`, () => {
      expect(found('src/connection/a.ts', code)).to.have.lengthOf(1).and.property('0').contains('top level')
    })
  }

  it('bite: a file without a head, a long file, a file without a test', () => {
    const complaints = (path: string, text: string) =>
      Object.values(RULES).flatMap(rule => rule({ sources: [new SourceFile(path, text)], tests: new Set() }))
    expect(complaints('src/connection/a.ts', 'export const x = 1\n// late\n')).to.deep.equal([
      'src/connection/a.ts: does not begin with a comment',
    ])
    expect(complaints('src/connection/a.ts', HEAD + '\n'.repeat(399))).to.deep.equal([])
    expect(complaints('src/connection/a.ts', HEAD + '\n'.repeat(400))).to.deep.equal([
      'src/connection/a.ts: has 401 lines, at most 400 are allowed',
    ])
    expect(complaints('src/frames/a.ts', `${HEAD}export const x = 1`)).to.deep.equal([
      'src/frames/a.ts: has no test file',
    ])
    expect(complaints('src/frames/a.ts', `${HEAD}export interface X { y(): void }`)).to.deep.equal([])
    expect(complaints('src/connection/a.ts', `${HEAD}export const x = 1`)).to.deep.equal([])
  })
})
