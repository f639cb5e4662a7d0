import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { Dial } from '../../src/connection/dial.js'
import { type ConnectOptions, settle } from '../../src/connection/options.js'
import type { ConnectError } from '../../src/index.js'
import { until } from '../support/rabbitmq/deadline.js'

describe('Dial', () => {
  let server: Server
  let accepted: Socket[]
  let connected: Duplex[]
  let failed: ConnectError[]
  let chunks: Buffer[]

  beforeEach(async () => {
    accepted = []
    connected = []
    failed = []
    chunks = []
    server = createServer(socket => void accepted.push(socket.on('error', () => {})))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  })

  afterEach(() => {
    for (const stream of [...accepted, ...connected]) stream.destroy()
    server.close()
  })

  function dial(options: ConnectOptions = {}): Dial {
    const { port } = server.address() as { port: number }
    return new Dial(settle({ host: '127.0.0.1', port, ...options }), {
      onConnected: (stream, intake) => {
        connected.push(stream)
        intake.receiver = { receive: chunk => void chunks.push(chunk) }
      },
      onFailed: error => void failed.push(error),
    })
  }

  it('waits for name resolution first, unless the host is an address', () => {
    const [named, literal, six] = ['rabbit.test', '127.0.0.1', '::1'].map(host =>
      dial({ host, lookup: () => {} }),
    )
    for (const each of [named, literal, six]) each?.start()
    expect([named?.phase, literal?.phase, six?.phase]).to.deep.equal(['dns', 'tcp', 'tcp'])
    for (const each of [named, literal, six]) each?.fail(new Error('enough'))
    expect(failed.map(error => error.phase)).to.deep.equal(['dns', 'tcp', 'tcp'])
  })

  it('hands over the stream once it is connected, and does nothing more with it', async () => {
    const each = dial()
    each.start()
    await until(2_000, 'the stream', () => connected.length === 1)
    each.fail(new Error('too late'))
    expect(connected[0]?.destroyed).to.equal(false)
    expect(failed).to.deep.equal([])
    expect(connected[0]?.listenerCount('error')).to.equal(0)
  })

  it('fails once', () => {
    const each = dial({ host: 'rabbit.test', lookup: () => {} })
    each.start()
    each.fail(new Error('first'))
    each.fail(new Error('second'))
    expect(failed.map(error => error.message)).to.deep.equal([
      `cannot connect to rabbit.test:${(server.address() as { port: number }).port}: first`,
    ])
  })

  it('reads all connections into the same memory', async () => {
    for (const _ of [1, 2]) dial().start()
    await until(2_000, 'two connections', () => accepted.length === 2 && connected.length === 2)
    for (const socket of accepted) socket.write('hello')
    await until(2_000, 'two chunks', () => chunks.length === 2)
    expect(chunks.map(String)).to.deep.equal(['hello', 'hello'])
    expect(chunks[0]?.buffer).to.equal(chunks[1]?.buffer)
  })
})
