// Methods with arguments of chance: well formed, and otherwise anything.

import type { Method } from '../../../src/protocol/method-types.js'
import { type Domain, METHODS, type MethodName, methodRow } from '../../../src/protocol/methods.js'
import type { Random } from '../random.js'

const NAMES = Object.keys(METHODS) as MethodName[]

/** What only a client sends. */
export const CLIENT_METHODS = NAMES.filter(name => methodRow(name).sender === 'client')
/** What a server may send, at one time or another, and no content belongs to. */
export const SERVER_METHODS = NAMES.filter(
  name => methodRow(name).sender !== 'client' && methodRow(name).content !== true,
)
/** Those that answer something, on a channel of the application's. */
export const REPLIES = SERVER_METHODS.filter(
  name => /-ok$|-empty$/.test(name) && !name.startsWith('connection.'),
)

/** Numbers at which something begins or ends. */
const LONGLONGS: readonly (number | bigint)[] = [
  0,
  1,
  2,
  5,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
]
const SHORTS = [0, 1, 2, 200, 311, 320, 404, 406, 504, 541, 32_768, 65_535]
const WORDS = ['', 'q-1', 'thump-1', 'thump-2', 'amq.gen-1', 'nowhere', 'é'.repeat(127), 'x'.repeat(255)]

/** A number where tags, sizes and counts change their nature. */
export function randomLonglong(random: Random): number | bigint {
  return random.pick(LONGLONGS)
}

/** The method with arguments of chance. */
export function randomMethod(random: Random, name: MethodName): Method {
  const args = Object.entries(methodRow(name).args)
    .filter(([, domain]) => !domain.startsWith('reserved'))
    .map(([key, domain]) => [key, randomArgument(random, domain)])
  return { name, args: Object.fromEntries(args) } as unknown as Method
}

function randomArgument(random: Random, domain: Domain): unknown {
  switch (domain) {
    case 'bit':
      return random.chance(0.5)
    case 'octet':
      return random.below(256)
    case 'short':
      return random.pick(SHORTS)
    case 'long':
      return random.chance(0.5) ? random.below(10) : 2 ** 32 - 1
    case 'longlong':
      return randomLonglong(random)
    case 'shortstr':
      return random.pick(WORDS)
    case 'longstr':
      return random.octets(random.below(40))
    default:
      return { n: random.below(1000), text: random.pick(WORDS), deep: { deeper: [{ deepest: true }] } }
  }
}
