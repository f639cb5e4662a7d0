import { expect } from 'chai'
import { Announcer, warnOfThrow } from '../../src/connection/announcer.js'
import { expectWarning } from '../support/invariants/index.js'

class Radio extends Announcer<{ news: [text: string, number: number]; error: [error: Error] }> {
  tell(text: string, number = 0): void {
    this.announce('news', text, number)
  }

  fail(error: Error): void {
    this.announce('error', error)
  }
}

/** Things that are no Error, and that are awkward to make text of. */
const UNPRINTABLE = [
  Object.create(null),
  Symbol('odd'),
  undefined,
  {
    toString() {
      throw new Error('not printable')
    },
  },
  Object.defineProperty(new Error('a getter'), 'stack', {
    get() {
      throw new Error('not printable')
    },
  }),
]

describe('Announcer', () => {
  it('calls every listener in order, with the arguments and itself as this', () => {
    const radio = new Radio()
    const heard: unknown[] = []
    radio.on('news', function (this: unknown, ...args) {
      heard.push(this, ...args)
    })
    radio.on('news', text => heard.push(`second ${text}`))
    radio.tell('hello', 7)
    expect(heard).to.deep.equal([radio, 'hello', 7, 'second hello'])
  })

  it('calls a listener for once only once', () => {
    const radio = new Radio()
    const heard: string[] = []
    radio.once('news', text => heard.push(text))
    radio.tell('a')
    radio.tell('b')
    expect(heard).to.deep.equal(['a'])
  })

  it('needs no listener, not even for an event called error', () => {
    const radio = new Radio()
    radio.tell('nobody hears')
    radio.fail(new Error('nobody hears'))
  })

  it('makes a process warning of a listener that throws, and calls the others all the same', () => {
    const radio = new Radio()
    const heard: string[] = []
    radio.on('news', () => {
      throw new Error('listener is broken')
    })
    radio.on('news', text => heard.push(text))
    expectWarning(/ThumpWarning: a listener of 'news' threw: Error: listener is broken/)
    radio.tell('a')
    expect(heard).to.deep.equal(['a'])
  })

  it('survives a listener that throws what cannot be printed', () => {
    const radio = new Radio()
    for (const thrown of UNPRINTABLE) {
      radio.once('news', () => {
        throw thrown
      })
      expectWarning(/ThumpWarning: a listener of 'news' threw/)
      radio.tell('a')
    }
  })

  it('makes a process warning of a listener that rejects', async () => {
    const radio = new Radio()
    radio.on('news', async () => {
      throw new Error('later')
    })
    expectWarning(/ThumpWarning: a listener of 'news' threw: Error: later/)
    const told = new Promise(resolve => process.once('warning', resolve))
    radio.tell('a')
    await told
  })

  it('lets listeners come and go while it tells', () => {
    const radio = new Radio()
    const heard: string[] = []
    const second = (): void => void heard.push('second')
    radio.on('news', () => {
      radio.off('news', second)
      radio.on('news', () => heard.push('late'))
    })
    radio.on('news', second)
    radio.tell('a')
    expect(heard).to.deep.equal(['second'])
  })
})

describe('warnOfThrow', () => {
  it('emits a warning with a type, a code, and who threw what from where', async () => {
    expectWarning(/^ThumpWarning: a hook threw: Error: broken\n +at .*announcer\.test/)
    const told = new Promise<Error>(resolve => process.once('warning', resolve))
    warnOfThrow('a hook', new Error('broken'))
    expect(await told).to.include({ name: 'ThumpWarning', code: 'THUMP_LISTENER' })
  })
})
