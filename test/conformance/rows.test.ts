import { readdirSync } from 'node:fs'
import { expect } from 'chai'
import { missingRows, ROWS } from './rows.js'

describe('the rows of the wire', () => {
  it('are 54, numbered without a gap', () => {
    const numbers = Array.from({ length: 54 }, (_, index) => String(index + 1))
    expect(Object.keys(ROWS)).to.deep.equal(numbers)
  })

  // It is judged by what the files beside it, loaded together with it, have declared.
  it('have a test each', () => {
    const files = readdirSync(import.meta.dirname).filter(name => name.endsWith('.test.js'))
    expect(missingRows(), `rows without a test in ${files.join(', ')}`).to.deep.equal([])
  })
})
