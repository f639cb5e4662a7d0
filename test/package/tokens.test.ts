import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../support/rabbitmq/project-root.js'
import { tokenize } from './tokens.js'

const cut = (source: string) => tokenize(source).map(({ kind, text }) => `${kind} ${text}`)
const words = (source: string) =>
  tokenize(source)
    .filter(token => token.kind === 'word')
    .map(token => token.text)

describe('The tokens of a source text', () => {
  it('keep comments apart from code', () => {
    expect(cut('a // Date\n/* Date\n */ b')).to.deep.equal([
      'word a',
      'comment // Date',
      'comment /* Date\n */',
      'word b',
    ])
  })

  it('keep strings apart from code, with quotes and comments in them', () => {
    expect(cut(`'it\\'s // no' "/* 'Date' */"`)).to.deep.equal([
      `string 'it\\'s // no'`,
      `string "/* 'Date' */"`,
    ])
  })

  it('find the code inside a template, and only that', () => {
    const template = '`Date @{now({ a: `@{b} c` })} Date @{d}` + e'.replaceAll('@', '$')
    expect(words(template)).to.deep.equal(['now', 'a', 'b', 'd', 'e'])
  })

  it('tell a regular expression from a division', () => {
    expect(cut('a / b / c')).to.deep.equal(['word a', 'mark /', 'word b', 'mark /', 'word c'])
    expect(cut("x = /[/'] Date/g.test(y)").slice(0, 4)).to.deep.equal([
      'word x',
      'mark =',
      "regex /[/'] Date/g",
      'mark .',
    ])
    expect(words("return /'/ // '")).to.deep.equal(['return'])
    expect(words('(a) / b / c')).to.deep.equal(['a', 'b', 'c'])
  })

  it('keep numbers whole', () => {
    expect(
      cut('320 3_20 0x140 1.5e3 320n 0..toString()').filter(one => one.startsWith('number')),
    ).to.deep.equal(['320', '3_20', '0x140', '1.5e3', '320n', '0.'].map(text => `number ${text}`))
  })

  it('count lines, through comments, strings and templates', () => {
    const source = 'a\n/*\n\n*/ b\n`\n@{c}\n` d'.replace('@', '$')
    const lines = tokenize(source).filter(token => token.kind === 'word')
    expect(lines.map(token => [token.text, token.line])).to.deep.equal([
      ['a', 1],
      ['b', 4],
      ['c', 6],
      ['d', 7],
    ])
  })

  it('put together again are the source, for every file of this project', () => {
    const root = projectRoot()
    for (const folder of ['src', 'test']) {
      for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
        if (!name.endsWith('.ts')) continue
        const source = readFileSync(join(root, folder, name), 'utf8')
        const text = tokenize(source).map(token => token.text)
        expect(text.join('').replace(/\s/g, ''), name).to.equal(
          source.replace(/^#!.*/, '').replace(/\s/g, ''),
        )
      }
    }
  }).timeout(60_000)
})
