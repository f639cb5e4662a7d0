import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { callingHandler, nameRunner } from '../../src/connection/handler-caller.js'

type Handler = () => unknown

/** Runs a handler as a pool does, under a name of its own. */
function run(handler: Handler): { readonly name: string; readonly done: Promise<void> } {
  const runner = async (): Promise<void> => {
    await handler()
  }
  const name = nameRunner(runner)
  return { name, done: runner() }
}

/** Whom a handler of that kind is seen as calling from, and the name that is right. */
async function seenFrom(handler: (look: () => void) => unknown): Promise<[string | undefined, string]> {
  let seen: string | undefined = 'never looked'
  const { name, done } = run(() =>
    handler(() => {
      seen = callingHandler()
    }),
  )
  await done
  return [seen, name]
}

async function deep(calls: number, look: () => void): Promise<void> {
  if (calls > 0) return await deep(calls - 1, look)
  await delay(1)
  look()
}

describe('callingHandler', () => {
  const ways: Readonly<Record<string, (look: () => void) => unknown>> = {
    'at once': look => look(),
    'in an async function, at once': async look => look(),
    'after an await': async look => {
      await delay(1)
      look()
    },
    'after many awaits': async look => {
      for (let turn = 0; turn < 20; turn++) await null
      await delay(1)
      look()
    },
    'through thirty async functions': look => deep(30, look),
    'in then, of a function that is not async': look => delay(1).then(() => look()),
    'in finally': look => delay(1).finally(() => look()),
    'in one branch of Promise.all': async look => {
      await Promise.all([
        delay(2),
        (async () => {
          await delay(1)
          look()
        })(),
      ])
    },
    'in for await': async look => {
      for await (const _ of [1, delay(1)]) look()
    },
    'in an async generator': async look => {
      async function* steps() {
        await delay(1)
        look()
        yield 1
      }
      for await (const _ of steps());
    },
    'in catch, after a rejection': async look => {
      try {
        await delay(1).then(() => {
          throw new Error('on the way')
        })
      } catch {
        look()
      }
    },
    'in a method of a class': look => {
      class Service {
        async stop(): Promise<void> {
          await delay(1)
          look()
        }
      }
      return new Service().stop()
    },
  }
  for (const [way, handler] of Object.entries(ways)) {
    it(`names the runner of a handler that calls ${way}`, async () => {
      const [seen, name] = await seenFrom(handler)
      expect(seen).to.equal(name)
    })
  }

  it('names nobody outside of handlers', async () => {
    expect(callingHandler()).to.equal(undefined)
    await delay(1)
    expect(callingHandler()).to.equal(undefined)
  })

  it('tells handlers that run at the same time apart', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        seenFrom(async look => {
          await delay(index % 3)
          look()
        }),
      ),
    )
    for (const [seen, name] of outcomes) expect(seen).to.equal(name)
    expect(new Set(outcomes.map(([, name]) => name)).size).to.equal(20)
  })

  it('names the innermost, when a handler begins while another one ends', async () => {
    let inner: [string | undefined, string] | undefined
    await run(() => {
      let seen: string | undefined
      const { name } = run(() => {
        seen = callingHandler()
      })
      inner = [seen, name]
    }).done
    expect(inner?.[0]).to.equal(inner?.[1])
  })

  it('does not see through a callback that nobody awaits', async () => {
    const [seen] = await seenFrom(
      look =>
        new Promise<void>(resolve => {
          setTimeout(() => {
            look()
            resolve()
          }, 1)
        }),
    )
    expect(seen).to.equal(undefined)
  })

  it('leaves the two globals as they were, whatever they were', async () => {
    const values: [limit: number, prepare: (() => unknown) | undefined][] = [
      [10, undefined],
      [0, () => 'mine'],
      [
        5,
        () => {
          throw new Error('a formatter that throws')
        },
      ],
    ]
    const before = globalsOf(Error)
    try {
      for (const [limit, prepare] of values) {
        Object.assign(Error, { stackTraceLimit: limit, prepareStackTrace: prepare })
        const given = globalsOf(Error)
        const [seen, name] = await seenFrom(look => deep(15, look))
        expect(seen).to.equal(name)
        expect(globalsOf(Error)).to.deep.equal(given)
      }
      Reflect.deleteProperty(Error, 'prepareStackTrace')
      callingHandler()
      expect(Object.hasOwn(Error, 'prepareStackTrace')).to.equal(false)
    } finally {
      restore(before)
    }
  })

  it('does not fail where they cannot be set, and still sees what is near', async () => {
    /** Looks while both are frozen, so many calls deep. Synchronously: the harness of the tests sets them too. */
    const lookFrozen = (look: () => void, calls: number, prepareStackTrace?: () => never): void => {
      if (calls > 0) return lookFrozen(look, calls - 1, prepareStackTrace)
      const before = globalsOf(Error)
      const frozen = { writable: false, configurable: true }
      Object.defineProperty(Error, 'stackTraceLimit', { ...frozen, value: 10 })
      Object.defineProperty(Error, 'prepareStackTrace', { ...frozen, value: prepareStackTrace })
      try {
        look()
      } finally {
        restore(before)
      }
    }
    const [near, name] = await seenFrom(look => lookFrozen(look, 2))
    expect(near).to.equal(name)
    expect((await seenFrom(look => lookFrozen(look, 30)))[0]).to.equal(undefined)
    const throwing = (): never => {
      throw new Error('a formatter that throws')
    }
    expect((await seenFrom(look => lookFrozen(look, 2, throwing)))[0]).to.equal(undefined)
  })
})

const GLOBALS = ['stackTraceLimit', 'prepareStackTrace'] as const

function globalsOf(owner: ErrorConstructor): (PropertyDescriptor | undefined)[] {
  return GLOBALS.map(name => Object.getOwnPropertyDescriptor(owner, name))
}

function restore(descriptors: readonly (PropertyDescriptor | undefined)[]): void {
  for (const [index, name] of GLOBALS.entries()) {
    const descriptor = descriptors[index]
    if (descriptor === undefined) Reflect.deleteProperty(Error, name)
    else Object.defineProperty(Error, name, descriptor)
  }
}
