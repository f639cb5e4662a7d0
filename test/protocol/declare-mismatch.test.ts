// The texts are RabbitMQ 3.10.8's and 4.0.5's, word for word, in answer to a queue or an exchange that was declared a second
// time. They say the same, except that to 4 a queue without x-queue-type is a classic one by name.

import { expect } from 'chai'
import { type DeclareMismatch, declareMismatchIn } from '../../src/protocol/declare-mismatch.js'
import { ChannelClosedError } from '../../src/protocol/errors.js'

/** A text, and what is in it: the argument, what was asked for, and what there is. */
type Case = readonly [
  text: string,
  argument: string,
  received: string | undefined,
  current: string | undefined,
]

const PROPERTIES: readonly Case[] = [
  [
    "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
    'durable',
    'false',
    'true',
  ],
  [
    "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'",
    'auto_delete',
    'true',
    'false',
  ],
  [
    "'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'",
    'type',
    'fanout',
    'direct',
  ],
  [
    "'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
    'internal',
    'true',
    'false',
  ],
]

const ARGUMENTS: readonly Case[] = [
  [
    "'x-dead-letter-exchange' for queue 'one\nother' in vhost '/': received 'a\nb' but current is 'c\nd'",
    'x-dead-letter-exchange',
    'a\nb',
    'c\nd',
  ],
  ["'x-max-length' for queue 'q' in vhost '/': received '6' but current is '5'", 'x-max-length', '6', '5'],
  [
    "'x-max-length' for queue 'q' in vhost '/': received the value '5' of type 'byte' but current is none",
    'x-max-length',
    '5',
    undefined,
  ],
  [
    "'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'",
    'x-queue-type',
    undefined,
    'quorum',
  ],
  [
    "'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'",
    'x-queue-type',
    'quorum',
    'classic',
  ],
  [
    "'x-single-active-consumer' for queue 'q' in vhost '/': received none but current is the value 'true' of type 'bool'",
    'x-single-active-consumer',
    undefined,
    'true',
  ],
  [
    "'alternate-exchange' for exchange 'x' in vhost '/': received 'other' but current is 'one'",
    'alternate-exchange',
    'other',
    'one',
  ],
]

const AWKWARD: readonly Case[] = [
  [
    "'durable' for queue 'o'brien's 'q'' in vhost '/': received 'false' but current is 'true'",
    'durable',
    'false',
    'true',
  ],
  [
    "'durable' for queue 'q': received 'x' but current is 'y'' in vhost '/': received 'false' but current is 'true'",
    'durable',
    'false',
    'true',
  ],
  [
    "'durable' for queue 'a' for queue 'b' in vhost '/': received 'false' but current is 'true'",
    'durable',
    'false',
    'true',
  ],
  [
    "'durable' for queue 'kö🐇' in vhost '/': received 'false' but current is 'true'",
    'durable',
    'false',
    'true',
  ],
  [
    "'x-dead-letter-exchange' for queue 'q' in vhost '/': received 'a' but current is 'b' but current is 'it's'",
    'x-dead-letter-exchange',
    "a' but current is 'b",
    "it's",
  ],
  [
    "'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value 'none' of type 'longstr'",
    'x-dead-letter-exchange',
    undefined,
    'none',
  ],
]

function textOf(words: string): string {
  return `PRECONDITION_FAILED - inequivalent arg ${words}`
}

describe('declareMismatchIn', () => {
  for (const [what, cases] of [
    ['a property that has another value', PROPERTIES],
    ['an argument that has another value, or none', ARGUMENTS],
    ['names and values that look like the text itself', AWKWARD],
  ] as const) {
    it(`tells ${what}`, () => {
      for (const [words, argument, received, current] of cases) {
        const expected: DeclareMismatch = { argument, received, current }
        expect(declareMismatchIn(textOf(words)), words).to.deep.equal(expected)
      }
    })
  }

  it('finds nothing in what says something else', () => {
    for (const text of [
      undefined,
      '',
      'PRECONDITION_FAILED - unknown delivery tag 9',
      "NOT_FOUND - no queue 'inequivalent' in vhost '/'",
      "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.",
    ]) {
      expect(declareMismatchIn(text), text).to.equal(undefined)
    }
  })

  it('finds nothing in a text that is cut in front of the values: RabbitMQ leaves 252 octets and three points', () => {
    const name = 'n'.repeat(150)
    const text = textOf(`'durable' for queue '${name}' in vhost '/': received 'false' but curre...`)
    expect(text).to.have.length(255)
    expect(declareMismatchIn(text)).to.equal(undefined)
  })

  it('does not say of a value that is cut off that there is none', () => {
    for (const [length, rest] of [
      [142, "'t..."],
      [143, "'..."],
      [144, '...'],
    ] as const) {
      const queue = 'n'.repeat(length)
      const text = textOf(
        `'durable' for queue '${queue}' in vhost '/': received 'false' but current is ${rest}`,
      )
      expect(text).to.have.length(255)
      expect(declareMismatchIn(text), rest).to.equal(undefined)
    }
  })
})

describe('ChannelClosedError, why a declaration was refused', () => {
  const errorOf = (code: number, text: string): ChannelClosedError =>
    new ChannelClosedError({ by: 'server', code, text }, 1)

  it('says what differs', () => {
    const error = errorOf(406, textOf(PROPERTIES[0]?.[0] ?? ''))
    expect(error.mismatch).to.deep.equal({ argument: 'durable', received: 'false', current: 'true' })
    expect(error.notFound).to.equal(false)
  })

  it('says that something does not exist', () => {
    const error = errorOf(404, "NOT_FOUND - no queue 'q' in vhost '/'")
    expect(error.notFound).to.equal(true)
    expect(error.mismatch).to.equal(undefined)
  })

  it('says neither of a channel that nobody refused anything', () => {
    const error = new ChannelClosedError({ by: 'client', text: 'inequivalent arg' }, 1)
    expect([error.notFound, error.mismatch]).to.deep.equal([false, undefined])
  })
})
