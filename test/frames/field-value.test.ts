import { expect } from 'chai'
import { DecimalField, field, TypedField, type TypedFieldType } from '../../src/frames/field-value.js'

describe('The field constructors', () => {
  it('wrap a number with its type', () => {
    const { decimal, ...constructors } = field
    for (const [type, construct] of Object.entries(constructors)) {
      const wrapped = construct(5)
      expect(wrapped).to.be.instanceOf(TypedField)
      expect(wrapped.type).to.equal(type as TypedFieldType)
      expect(wrapped.value).to.equal(5)
    }
    expect(decimal(2, 314))
      .to.be.instanceOf(DecimalField)
      .and.to.include({ type: 'decimal', scale: 2, value: 314 })
  })

  it('cannot be changed', () => {
    expect(field).to.be.frozen
  })
})
