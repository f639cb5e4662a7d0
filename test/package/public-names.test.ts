import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { projectRoot } from '../support/rabbitmq/project-root.js'
import { tokenize } from './tokens.js'

const SNAPSHOT = join(projectRoot(), 'test', 'package', 'public-names.txt')

/** What `export { … }` lists in a declaration file; `export *` would make the list somebody else's. */
function exportedNames(declarations: string): string[] {
  const code = tokenize(declarations).filter(token => token.kind !== 'comment')
  const names: string[] = []
  let isListed = false
  for (const [index, { text, kind }] of code.entries()) {
    const before = code[index - 1]?.text
    const after = code[index + 1]?.text
    if (text === 'export') {
      isListed = after === '{' || (after === 'type' && code[index + 2]?.text === '{')
      if (!isListed) throw new Error(`the index exports something that it does not list: export ${after} …`)
    }
    if (text === '}') isListed = false
    const isName = kind === 'word' && (after === ',' || after === '}') && before !== 'from'
    if (isListed && isName) names.push(text)
  }
  return names
}

async function describePublicNames(): Promise<string> {
  const dist = join(projectRoot(), 'dist')
  const values = Object.keys(await import(pathToFileURL(join(dist, 'index.js')).href))
  const declared = exportedNames(readFileSync(join(dist, 'index.d.ts'), 'utf8'))
  const types = declared.filter(name => !values.includes(name))
  expect(declared, 'every value has a declaration').to.include.members(values)
  const section = (title: string, names: readonly string[]) =>
    `${title}\n${[...names]
      .sort()
      .map(name => `  ${name}\n`)
      .join('')}`
  return `${section('values', values)}\n${section('types', types)}`
}

describe('The public names', () => {
  it('are those of public-names.txt; UPDATE_SNAPSHOT=1 writes the file anew', async () => {
    const names = await describePublicNames()
    if (process.env['UPDATE_SNAPSHOT'] === '1') writeFileSync(SNAPSHOT, names)
    expect(names).to.equal(readFileSync(SNAPSHOT, 'utf8').replaceAll('\r\n', '\n'))
  })

  it('are read from lists of values and of types', () => {
    const names = exportedNames(
      "export { a, type B, c as d } from './x.js';\nexport type { E } from './y.js'; // { f }\n",
    )
    expect(names).to.deep.equal(['a', 'B', 'd', 'E'])
  })

  it('are never passed on unlisted', () => {
    expect(() => exportedNames("export * from './x.js'")).to.throw('export * …')
    expect(() => exportedNames('export declare const x: number')).to.throw('export declare …')
  })
})
