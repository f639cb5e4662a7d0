import { expect } from 'chai'
import { FieldPath } from '../../src/frames/argument-path.js'

describe('FieldPath', () => {
  function pathTo(...keys: (string | number)[]): FieldPath {
    const [key = '', ...rest] = keys
    let path = new FieldPath('headers')
    path.key = key
    for (const next of rest) {
      path = new FieldPath(path)
      path.key = next
    }
    return path
  }

  it('spells names with dots and positions with brackets', () => {
    expect(String(pathTo('a', 'b', 2))).to.equal('headers.a.b[2]')
    expect(String(pathTo('x-death', 0, 'first-death-reason'))).to.equal(
      'headers.x-death[0].first-death-reason',
    )
  })

  it('quotes names that would be misread', () => {
    expect(String(pathTo('a.b'))).to.equal('headers["a.b"]')
    expect(String(pathTo(''))).to.equal('headers[""]')
    expect(String(pathTo('\u0000\n'))).to.equal('headers["\\u0000\\n"]')
  })

  it('shortens a name that is a whole document', () => {
    expect(String(pathTo('n'.repeat(64)))).to.equal(`headers.${'n'.repeat(64)}`)
    expect(String(pathTo('n'.repeat(1000)))).to.equal(`headers["${'n'.repeat(64)}…"]`)
  })

  it('follows its cursor', () => {
    const path = pathTo('a')
    const inner = new FieldPath(path)
    inner.key = 0
    path.key = 'b'
    inner.key = 1
    expect(String(inner)).to.equal('headers.b[1]')
  })

  it('knows how deep it is', () => {
    expect(pathTo('a').depth).to.equal(1)
    expect(pathTo('a', 'b', 2).depth).to.equal(3)
  })
})
