import { expect } from 'chai'
import fc from 'fast-check'
import type { FieldTable, FieldValue } from '../../src/frames/field-value.js'
import { TableBuilder } from '../../src/frames/table-builder.js'

type Fields = readonly (readonly [name: string, value: FieldValue])[]

describe('TableBuilder', () => {
  let builder: TableBuilder

  beforeEach(() => {
    builder = new TableBuilder()
  })

  function build(fields: Fields): FieldTable {
    builder.begin()
    for (const [name, value] of fields) builder.add(name, value)
    return builder.end()
  }

  /** Of each field, whether its name was the one that was expected. */
  function expected(fields: Fields): boolean[] {
    builder.begin()
    const hits = fields.map(([name, value]) => {
      const isExpected = builder.expected === name
      builder.add(name, value)
      return isExpected
    })
    builder.end()
    return hits
  }

  const fields = (...names: string[]): Fields => names.map((name, index) => [name, index])

  it('expects the names of the table before, in their order', () => {
    expect(expected(fields('a', 'b', 'c'))).to.deep.equal([false, false, false])
    expect(expected(fields('a', 'b', 'c'))).to.deep.equal([true, true, true])
    expect(expected(fields('a', 'c', 'd'))).to.deep.equal([true, false, false])
    expect(expected(fields('a', 'c', 'd'))).to.deep.equal([true, true, true])
    expect(expected(fields('a', 'c', 'd', 'e'))).to.deep.equal([true, true, true, false])
    expect(expected(fields('a', 'c', 'd', 'e'))).to.deep.equal([true, true, true, true])
  })

  it('still expects them behind a table that has only the first of them', () => {
    build(fields('a', 'b', 'c'))
    expect(expected(fields('a'))).to.deep.equal([true])
    expect(expected(fields())).to.deep.equal([])
    expect(expected(fields('a', 'b', 'c'))).to.deep.equal([true, true, true])
  })

  it('remembers no more than 32 names', () => {
    const names = Array.from({ length: 33 }, (_, index) => `n${index}`)
    build(fields(...names))
    expect(expected(fields(...names))).to.deep.equal(names.map(() => false))
    build(fields(...names.slice(0, 32)))
    expect(expected(fields(...names.slice(0, 32)))).to.deep.equal(Array(32).fill(true))
  })

  it('begins anew behind a table that was given up', () => {
    build(fields('a', 'b'))
    builder.begin()
    builder.add('a', 'left over')
    builder.begin()
    builder.add('z', 'left over')
    expect(build(fields('a', 'b'))).to.deep.equal(build(fields('a', 'b')))
  })

  it('makes of any fields what a plain loop makes of them, whatever tables came before', () => {
    const name = fc.constantFrom('a', 'b', 'c', '', '0', '10', '__proto__', 'constructor', 'toString')
    const value = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.boolean())
    const table = fc.array(fc.tuple(name, value), { maxLength: 6 })
    // Each comes several times, as it is and with something before or behind it.
    const tables = fc.array(table, { minLength: 1, maxLength: 4 }).chain(some =>
      fc.array(
        fc.oneof(
          fc.constantFrom(...some),
          fc.tuple(fc.constantFrom(...some), table).map(([one, other]) => [...one, ...other]),
        ),
        { maxLength: 12 },
      ),
    )
    fc.assert(
      fc.property(tables, sequence => {
        const built = sequence.map(build)
        for (const [index, one] of built.entries()) {
          const naive = new Map<string, FieldValue>()
          for (const [each, is] of sequence[index] ?? []) if (!naive.has(each)) naive.set(each, is)
          expect(Object.getPrototypeOf(one)).to.equal(null)
          expect(new Map(Object.entries(one))).to.deep.equal(naive)
        }
      }),
    )
  })
})
