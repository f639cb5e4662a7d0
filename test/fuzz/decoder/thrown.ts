// What was thrown, in words: with its stack, if one was kept.

export function told(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown)
}
