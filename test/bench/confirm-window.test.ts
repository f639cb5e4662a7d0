import { expect } from 'chai'
import { CONFIRM_WINDOW } from '../../bench/cases.js'
import { ConfirmWindow, PromiseWindow } from '../../bench/confirm-window.js'

describe('A window of confirms', () => {
  it('of promises gives the oldest to be awaited when it is full', async () => {
    const window = new PromiseWindow()
    const publishes = Array.from({ length: 3 * CONFIRM_WINDOW }, (_, index) => Promise.resolve(index))
    const awaited = publishes.map(publish => window.push(publish))
    expect(awaited.slice(0, CONFIRM_WINDOW - 1).every(oldest => oldest === undefined)).to.equal(true)
    // With the one that is pushed next there are as many again as the window takes.
    expect(awaited[CONFIRM_WINDOW - 1]).to.equal(publishes[0])
    expect(awaited.at(-1)).to.equal(publishes[2 * CONFIRM_WINDOW])
    await window.drained()
  })

  it('of callbacks is full, has room again, and is drained', async () => {
    const window = new ConfirmWindow()
    for (let sent = 0; sent < CONFIRM_WINDOW; sent++) window.notePublished()
    expect(window.isFull).to.equal(true)
    const room = window.room()
    window.noteConfirmed()
    await room
    expect(window.isFull).to.equal(false)
    const drained = window.drained()
    for (let confirmed = 1; confirmed < CONFIRM_WINDOW; confirmed++) window.noteConfirmed()
    await drained
    await window.drained()
    expect(() => window.noteConfirmed(new Error('a nack'))).to.throw('a nack')
  })
})
