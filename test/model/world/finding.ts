// What must not be, found by the model.

export class Finding extends Error {
  override readonly name = 'Finding'
}

/** Throws a Finding unless it holds. The text is made only then: this is asked millions of times. */
export function expectThat(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new Finding(text())
}
