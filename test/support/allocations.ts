// Memory asked for, counted: a peer can make a decoder ask for much that it never keeps, and the heap would not show it.

/** Octets of all buffers that are made while it acts, whether they are kept or not. */
export function octetsAllocated(act: () => void): number {
  const { allocUnsafe, allocUnsafeSlow, from } = Buffer
  let octets = 0
  const counting =
    <P extends unknown[], B extends Buffer>(make: (...parameters: P) => B) =>
    (...parameters: P): B => {
      const made = make(...parameters)
      octets += made.length
      return made
    }
  Buffer.allocUnsafe = counting(allocUnsafe)
  Buffer.allocUnsafeSlow = counting(allocUnsafeSlow)
  Buffer.from = counting(from as (...parameters: unknown[]) => Buffer) as typeof from
  try {
    act()
  } finally {
    Object.assign(Buffer, { allocUnsafe, allocUnsafeSlow, from })
  }
  return octets
}
