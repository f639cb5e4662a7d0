import { createHash, randomFillSync } from 'node:crypto'
import amqplib from 'amqplib'
import { expect } from 'chai'
import {
  AmqpPrograms,
  INSTALLATION_MS,
  LibrabbitmqPeer,
  needsAmqpTools,
  needsCompiler,
  PeerProgram,
} from '../support/librabbitmq/index.js'
import { BROKER_START_MS, LiveSession } from '../support/live-session.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { InteropSession } from './interop-session.js'

/** A client at the other end, with one queue. */
interface BodyClient {
  publish(body: Buffer): Promise<unknown>
  get(): Promise<Buffer | undefined>
  close(): Promise<unknown>
}

type OpenBodyClient = (context: Mocha.Context, queue: string, frameMax: number) => Promise<BodyClient>

const MIB = 1024 * 1024
/** What amqp-tools ask for, and what RabbitMQ proposes. */
const DEFAULT_FRAME_MAX = 131_072
/** Frame header and end (AMQP 0-9-1 section 4.2.3). */
const FRAME_OVERHEAD = 8

const CLIENTS: readonly { name: string; frameMaxes: readonly number[]; open: OpenBodyClient }[] = [
  { name: 'thump', frameMaxes: [8192, DEFAULT_FRAME_MAX], open: openThump },
  { name: 'amqplib', frameMaxes: [8192, DEFAULT_FRAME_MAX], open: openAmqplib },
  { name: 'librabbitmq', frameMaxes: [8192, DEFAULT_FRAME_MAX], open: openLibrabbitmq },
  { name: 'amqp-tools', frameMaxes: [DEFAULT_FRAME_MAX], open: openAmqpTools },
]

describe('bodies, by their SHA-256', () => {
  before(async function () {
    this.timeout(BROKER_START_MS)
    await sharedBroker()
  })

  for (const { name, frameMaxes, open } of CLIENTS) {
    for (const frameMax of frameMaxes) {
      const payloadMax = frameMax - FRAME_OVERHEAD

      describe(`between thump and ${name}, frames of ${frameMax} octets`, () => {
        let session: InteropSession | undefined
        let client: BodyClient | undefined

        before(async function () {
          this.timeout(INSTALLATION_MS)
          session = await InteropSession.open({ frameMax })
          expect(session.live.connection.frameMax).to.equal(frameMax)
          client = await open(this, session.queue, frameMax)
        })

        after(async () => {
          await client?.close()
          await session?.close()
        })

        for (const size of [0, 1, payloadMax - 1, payloadMax, payloadMax + 1, 2 * payloadMax, MIB]) {
          it(`of ${size} octets are the same at the other end`, async () => {
            const body = randomFillSync(Buffer.alloc(size))
            await session?.live.channel.publish('', session.queue, body)
            expect(digestOf(await client?.get()), `from thump to ${name}`).to.equal(digestOf(body))
            await client?.publish(body)
            const delivery = await session?.take()
            expect(digestOf(delivery?.body), `from ${name} to thump`).to.equal(digestOf(body))
          })
        }
      })
    }
  }
})

/** With the size, so that a difference says more. */
function digestOf(body: Buffer | undefined): string {
  if (body === undefined) return 'no message'
  return `${body.length} octets, ${createHash('sha256').update(body).digest('hex')}`
}

async function openThump(_: Mocha.Context, queue: string, frameMax: number): Promise<BodyClient> {
  const { channel, connection } = await LiveSession.open({ confirm: true, frameMax })
  return {
    publish: body => channel.publish('', queue, body),
    get: async () => (await channel.get(queue, { noAck: true }))?.body,
    close: () => connection.close(),
  }
}

async function openAmqplib(_: Mocha.Context, queue: string, frameMax: number): Promise<BodyClient> {
  const { url } = await sharedBroker()
  const connection = await amqplib.connect(withFrameMax(url, frameMax))
  const channel = await connection.createConfirmChannel()
  return {
    publish: body => {
      channel.sendToQueue(queue, body)
      return channel.waitForConfirms()
    },
    get: async () => {
      const message = await channel.get(queue, { noAck: true })
      return message === false ? undefined : message.content
    },
    close: () => connection.close(),
  }
}

async function openLibrabbitmq(context: Mocha.Context, queue: string, frameMax: number): Promise<BodyClient> {
  const program = await PeerProgram.compile(await needsCompiler(context))
  const { url } = await sharedBroker()
  const peer = await LibrabbitmqPeer.start(program, url, frameMax)
  return {
    publish: body => peer.publish(queue, { body, properties: {} }),
    get: async () => (await peer.get(queue))?.body,
    close: async () => {
      await peer.stop()
      program.remove()
    },
  }
}

async function openAmqpTools(context: Mocha.Context, queue: string): Promise<BodyClient> {
  const directory = await needsAmqpTools(context)
  const { url } = await sharedBroker()
  const programs = new AmqpPrograms(directory, url)
  return {
    publish: body => programs.run('amqp-publish', [`--routing-key=${queue}`], body),
    get: () => programs.run('amqp-get', [`--queue=${queue}`]),
    close: async () => {},
  }
}

function withFrameMax(url: string, frameMax: number): string {
  return `${url}${url.includes('?') ? '&' : '?'}frameMax=${frameMax}`
}
