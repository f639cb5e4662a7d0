import { expect } from 'chai'
import type { FieldTable, MessageProperties } from '../../src/index.js'
import { keep } from '../support/invariants/keep.js'
import {
  INSTALLATION_MS,
  LibrabbitmqPeer,
  needsCompiler,
  PeerProgram,
  type WireField,
  type WireMessage,
  type WireProperties,
  type WireTable,
} from '../support/librabbitmq/index.js'
import { until } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { everywhere, FIELD_CASES, HEADER_NAMES, PROPERTY_CASES, wireEverywhere } from './interop-cases.js'
import { InteropSession } from './interop-session.js'

describe('fields and properties, between thump and librabbitmq', () => {
  let session: InteropSession
  let program: PeerProgram
  let librabbitmq: LibrabbitmqPeer | undefined

  before(async function () {
    this.timeout(INSTALLATION_MS)
    program = await PeerProgram.compile(await needsCompiler(this))
    await sharedBroker()
    session = await InteropSession.open()
  })

  after(async () => {
    await librabbitmq?.stop()
    await session?.close()
    program?.remove()
  })

  afterEach(() => session.drain())

  /** One for all tests; after one that has cost it its connection there is another. */
  async function peer(): Promise<LibrabbitmqPeer> {
    if (librabbitmq === undefined || librabbitmq.ended) {
      librabbitmq = await keep('the librabbitmq peer', () => LibrabbitmqPeer.start(program, session.live.url))
    }
    return librabbitmq
  }

  async function publishByLibrabbitmq(queue: string, properties: WireProperties): Promise<void> {
    await (await peer()).publish(queue, { body: Buffer.alloc(0), properties })
  }

  async function takenByLibrabbitmq(): Promise<WireProperties> {
    let message: WireMessage | undefined
    await until(5_000, 'a message for librabbitmq', async () => {
      message = await (await peer()).get(session.queue)
      return message !== undefined
    })
    return message?.properties ?? {}
  }

  describe('from thump to librabbitmq', () => {
    for (const { title, sent, wire } of FIELD_CASES) {
      if (sent === undefined) continue
      it(`passes ${title}`, async () => {
        await session.live.channel.publish('', session.queue, '', { headers: everywhere(sent) })
        expect((await takenByLibrabbitmq()).headers).to.deep.equal(wireEverywhere(wire))
      })
    }

    it('passes every name but the empty one, which librabbitmq cannot read', async () => {
      const headers = numbered(HEADER_NAMES.filter(name => name !== ''))
      await session.live.channel.publish('', session.queue, '', { headers })
      expect((await takenByLibrabbitmq()).headers).to.deep.equal(wireTable(headers))
    })

    for (const { title, properties } of PROPERTY_CASES) {
      it(`passes properties: ${title}`, async () => {
        const sent = properties(session.userId)
        await session.live.channel.publish('', session.queue, '', sent)
        expect(await takenByLibrabbitmq()).to.deep.equal(wireProperties({ deliveryMode: 2, ...sent }))
      })
    }
  })

  describe('from librabbitmq to thump', () => {
    for (const { title, wire, received } of FIELD_CASES) {
      it(`passes ${title}`, async () => {
        await publishByLibrabbitmq(session.queue, { headers: wireEverywhere(wire) })
        expect((await session.take()).properties.headers).to.deep.equal(everywhere(received))
      })
    }

    it('passes every name', async () => {
      await publishByLibrabbitmq(session.queue, { headers: wireTable(numbered(HEADER_NAMES)) })
      expect((await session.take()).properties.headers).to.deep.equal(numbered(HEADER_NAMES))
    })

    for (const { title, properties } of PROPERTY_CASES) {
      it(`passes properties: ${title}`, async () => {
        const sent = properties(session.userId)
        await publishByLibrabbitmq(session.queue, wireProperties(sent))
        expect((await session.take()).properties).to.deep.equal(sent)
      })
    }
  })

  describe('through a queue that dead-letters, where RabbitMQ reads the headers and writes them anew', () => {
    let deadLettering: string

    before(async () => {
      deadLettering = await session.deadLettering()
    })

    for (const { title, wire, sent, rewritten = wire } of FIELD_CASES) {
      it(`comes as ${rewritten[0]}: ${title}`, async () => {
        if (sent === undefined) await publishByLibrabbitmq(deadLettering, { headers: wireEverywhere(wire) })
        else await session.live.channel.publish('', deadLettering, '', { headers: everywhere(sent) })
        expect((await takenByLibrabbitmq()).headers).to.deep.include(wireEverywhere(rewritten))
      })
    }
  })

  it('says what the broker says when it refuses', async () => {
    const refused = await LibrabbitmqPeer.start(program, session.live.url)
    const message = { body: Buffer.alloc(0), properties: { userId: 'somebody else' } }
    const error = await refused.publish(session.queue, message).catch((reason: Error) => reason)
    expect(error)
      .to.be.instanceOf(Error)
      .with.property('message')
      .that.matches(/channel closed: 406 .*user_id/)
    await refused.stop()
  })
})

/** Of the types that thump chooses for a text and for a small number. */
function wireTable(table: FieldTable): WireTable {
  const wireOf = (value: unknown): WireField =>
    typeof value === 'number' ? ['I', value] : ['S', String(value)]
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, wireOf(value)]))
}

function wireProperties(properties: MessageProperties): WireProperties {
  const { headers, ...others } = properties
  return headers === undefined ? others : { ...others, headers: wireTable(headers) }
}

function numbered(names: readonly string[]): FieldTable {
  return Object.fromEntries(names.map((name, index) => [name, index]))
}
