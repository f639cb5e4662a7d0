import { expect } from 'chai'
import { ReturnedError } from '../../src/index.js'
import { AmqpPrograms, INSTALLATION_MS, needsAmqpTools } from '../support/librabbitmq/index.js'
import { within } from '../support/rabbitmq/deadline.js'
import { sharedBroker } from '../support/rabbitmq/index.js'
import { rejectionOf } from '../support/rejection.js'
import { InteropSession } from './interop-session.js'

describe('messages, between thump and the programs of amqp-tools', () => {
  let session: InteropSession
  let programs: AmqpPrograms

  before(async function () {
    this.timeout(INSTALLATION_MS)
    const directory = await needsAmqpTools(this)
    const { url } = await sharedBroker()
    programs = new AmqpPrograms(directory, url)
    session = await InteropSession.open()
  })

  after(() => session?.close())

  afterEach(() => session.drain())

  function publish(body: string, ...parameters: string[]): Promise<Buffer> {
    return programs.run('amqp-publish', [`--routing-key=${session.queue}`, `--body=${body}`, ...parameters])
  }

  it('of amqp-publish come with the properties that it can give them', async () => {
    await publish(
      'πß€😀',
      '--persistent',
      '--content-type=text/plain',
      '--content-encoding=utf-8',
      '--reply-to=answers',
      '--header=first: 1',
      '--header=sec\u00f6nd: two: three',
    )
    const { body, properties, exchange, routingKey } = await session.take()
    expect(body.toString()).to.equal('πß€😀')
    expect({ exchange, routingKey }).to.deep.equal({ exchange: '', routingKey: session.queue })
    expect(properties).to.deep.equal({
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      // It has texts only.
      headers: { first: '1', secönd: 'two: three' },
      deliveryMode: 2,
      replyTo: 'answers',
    })
  })

  it('of amqp-publish are transient unless it is told otherwise', async () => {
    await publish('hello')
    expect((await session.take()).properties).to.deep.equal({ deliveryMode: 1 })
  })

  it('of amqp-publish, one for each line, come in their order', async () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}\n`)
    const parameters = [`--routing-key=${session.queue}`, '--line-buffered']
    await programs.run('amqp-publish', parameters, lines.join(''))
    const received: string[] = []
    const receive = async (): Promise<void> => {
      for await (const delivery of await session.live.channel.consume(session.queue)) {
        delivery.ack()
        if (received.push(delivery.body.toString()) === lines.length) break
      }
    }
    await within(5_000, 'all lines', receive())
    expect(received).to.deep.equal(lines)
  })

  it('come out of amqp-get, which says when there is none', async () => {
    await session.live.channel.publish('', session.queue, 'hello')
    expect((await programs.run('amqp-get', [`--queue=${session.queue}`])).toString()).to.equal('hello')
    const { code, output } = await programs.end('amqp-get', [`--queue=${session.queue}`])
    expect({ code, output: output.toString() }).to.deep.equal({ code: 2, output: '' })
  })

  it('come out of amqp-get whatever properties they have', async () => {
    const headers = { list: [1, 'two', null], table: { when: new Date(0) } }
    await session.live.channel.publish('', session.queue, 'hello', { headers, priority: 255 })
    expect((await programs.run('amqp-get', [`--queue=${session.queue}`])).toString()).to.equal('hello')
  })

  it('are consumed, and acknowledged, by amqp-consume', async () => {
    for (let each = 0; each < 5; each++) await session.live.channel.publish('', session.queue, `m${each} `)
    const parameters = [`--queue=${session.queue}`, '--prefetch-count=1', '--count=3', 'cat']
    expect((await programs.run('amqp-consume', parameters)).toString()).to.equal('m0 m1 m2 ')
    expect((await session.take()).body.toString()).to.equal('m3 ')
    expect((await session.take()).body.toString()).to.equal('m4 ')
  })

  it('go through a queue that amqp-declare-queue made, until amqp-delete-queue takes it away', async () => {
    const queue = `${session.queue}-theirs`
    const declared = await programs.run('amqp-declare-queue', [`--queue=${queue}`, '--durable'])
    expect(declared.toString().trim()).to.equal(queue)
    // Declared with other properties it would not be the same queue: 406.
    expect(await session.live.channel.queueDeclare(queue)).to.include({ queue, messageCount: 0 })
    await session.live.channel.publish('', queue, 'hello', { mandatory: true })
    const count = await programs.run('amqp-delete-queue', [`--queue=${queue}`])
    expect(count.toString().trim()).to.equal('1')
    await rejectionOf(session.live.channel.publish('', queue, 'hello', { mandatory: true }), ReturnedError)
  })
})
