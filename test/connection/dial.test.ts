import { randomFillSync } from 'node:crypto'
import { createServer, type LookupFunction, type Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { expect } from 'chai'
import { Dial } from '../../src/connection/dial.js'
import { type ConnectOptions, settle } from '../../src/connection/options.js'
import type { ConnectError } from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { until } from '../support/rabbitmq/deadline.js'

describe('Dial', () => {
  let server: Server
  let accepted: Socket[]
  let connected: Duplex[]
  let failed: ConnectError[]
  let chunks: Buffer[]
  let receive: (chunk: Buffer) => void

  beforeEach(async () => {
    accepted = []
    connected = []
    failed = []
    chunks = []
    receive = chunk => void chunks.push(chunk)
    server = createServer(socket => void accepted.push(socket.on('error', () => {})))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  })

  afterEach(() => {
    for (const stream of [...accepted, ...connected]) stream.destroy()
    server.close()
  })

  function port(): number {
    return (server.address() as { port: number }).port
  }

  function dial(options: ConnectOptions = {}): Dial {
    return new Dial(settle({ host: '127.0.0.1', port: port(), ...options }), {
      onConnected: (stream, intake) => {
        connected.push(stream)
        intake.receiver = { receive: chunk => receive(chunk), place: undefined }
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

  it('reads into the place that the receiver names, as long as it names one', async () => {
    const octets = randomFillSync(Buffer.alloc(200_000))
    const [body, rest] = [Buffer.alloc(150_000), [] as Buffer[]]
    const reads: string[] = []
    let placed = 0
    let received = 0
    new Dial(settle({ host: '127.0.0.1', port: port() }), {
      onConnected: (stream, intake) => {
        connected.push(stream)
        intake.receiver = {
          receive: chunk => {
            received += chunk.length
            const isPlaced = chunk.buffer === body.buffer
            reads.push(isPlaced ? 'placed' : 'lent')
            if (isPlaced) placed += chunk.length
            else rest.push(Buffer.from(chunk))
          },
          // Behind the first chunk, until it is full.
          get place() {
            return received > 0 && placed < body.length ? body.subarray(placed) : undefined
          },
        }
      },
      onFailed: error => void failed.push(error),
    }).start()
    await until(2_000, 'the stream', () => connected.length === 1 && accepted.length === 1)
    const [peer] = accepted as [Socket]
    peer.write(octets.subarray(0, 1_000))
    await until(2_000, 'the first chunk', () => received === 1_000)
    peer.write(octets.subarray(1_000))
    await until(2_000, 'everything', () => received === octets.length)
    expect(placed).to.equal(body.length)
    const first = rest.shift() as Buffer
    expect(Buffer.concat([first, body, ...rest]).equals(octets)).to.equal(true)
    expect([reads[0], reads[1], reads.at(-1)]).to.deep.equal(['lent', 'placed', 'lent'])
  })

  it('fails once', () => {
    const each = dial({ host: 'rabbit.test', lookup: () => {} })
    each.start()
    each.fail(new Error('first'))
    each.fail(new Error('second'))
    expect(failed.map(error => error.message)).to.deep.equal([
      `cannot connect to rabbit.test:${port()}: first`,
    ])
  })

  it('tries all addresses of a host at the same port, whatever the resolver is asked for', async () => {
    const addresses = [
      { address: '127.0.0.2', family: 4 },
      { address: '127.0.0.3', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]
    let askedFor: unknown
    dial({
      host: 'rabbit.test',
      lookup: (_host, options, done) => {
        askedFor = options.all
        done(null, addresses)
      },
    }).start()
    await until(2_000, 'the stream', () => connected.length === 1)
    expect(askedFor).to.equal(true)
    expect((connected[0] as Socket).remoteAddress).to.equal('127.0.0.1')
  })

  it('takes a resolver that gives one address though it is asked for all', async () => {
    dial({ host: 'rabbit.test', lookup: (_host, _options, done) => done(null, '127.0.0.1', 4) }).start()
    await until(2_000, 'the stream', () => connected.length === 1)
  })

  it('takes the first answer of a resolver that answers twice, and fails on one that answers nothing', async () => {
    const [answer, none] = [{ address: '127.0.0.1', family: 4 }, []]
    const twice: LookupFunction = (_host, _options, done) => {
      done(null, [answer])
      done(null, [answer])
    }
    dial({ host: 'rabbit.test', lookup: twice }).start()
    await until(2_000, 'the stream', () => connected.length === 1)
    dial({ host: 'rabbit.test', lookup: (_host, _options, done) => done(null, none) }).start()
    expect(failed).to.have.length(1)
    expect(failed[0]).to.include({ phase: 'dns' })
    expect(failed[0]?.message).to.include('the host has no address')
  })

  it('names every address that it tried, those that refused and those that have not answered', () => {
    const addresses = ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 }))
    const each = dial({ host: 'rabbit.test', lookup: (_host, _options, done) => done(null, addresses) })
    each.start()
    each.expire()
    expect(failed[0]?.message).to.match(/no answer within 10000 ms from 127\.0\.0\.1 \(.*firewall/)
    expect(failed[0]).to.include({ phase: 'tcp' })
  })

  for (const tls of [false, { rejectUnauthorized: false }]) {
    const over = tls === false ? 'TCP' : 'TLS'
    it(`sends small segments at once and keeps the connection alive, over ${over}, unless told not to`, async () => {
      const told: unknown[] = []
      const { setNoDelay, setKeepAlive } = Socket.prototype
      Socket.prototype.setNoDelay = function (this: Socket, on) {
        if (this.remotePort === port()) told.push(['noDelay', on])
        return setNoDelay.call(this, on)
      }
      Socket.prototype.setKeepAlive = function (this: Socket, on, delay) {
        if (this.remotePort === port()) told.push(['keepAlive', on])
        return setKeepAlive.call(this, on as boolean, delay)
      }
      try {
        dial({ tls }).start()
        dial({ tls, socket: { noDelay: false, keepAlive: false } }).start()
        await until(2_000, 'the connections', () => told.length === 4)
      } finally {
        Object.assign(Socket.prototype, { setNoDelay, setKeepAlive })
      }
      expect(told.slice(0, 2)).to.deep.equal([
        ['noDelay', true],
        ['keepAlive', true],
      ])
      expect(told.slice(2)).to.deep.equal([
        ['noDelay', false],
        ['keepAlive', false],
      ])
    })
  }

  it('reads over TLS into the memory of all connections, and can stop and go on reading', async () => {
    const { cert, key } = new CertificateAuthority().issue({ names: ['127.0.0.1'] })
    const front = createTlsServer({ cert, key }, socket => void accepted.push(socket.on('error', () => {})))
    await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = front.address() as { port: number }
      dial().start()
      dial({ port, tls: { rejectUnauthorized: false } }).start()
      await until(2_000, 'the connections', () => accepted.length === 2 && connected.length === 2)
      for (const socket of accepted) socket.write('hello')
      await until(2_000, 'two chunks', () => chunks.length === 2)
      expect(chunks[0]?.buffer).to.equal(chunks[1]?.buffer)
      let octets = 0
      receive = chunk => {
        octets += chunk.length
      }
      const [client] = connected.filter(stream => 'encrypted' in stream)
      const [peer] = accepted.filter(socket => 'encrypted' in socket)
      client?.pause()
      const all = 16 * 1024 * 1024
      let written = false
      peer?.write(Buffer.alloc(all), () => {
        written = true
      })
      // The kernel takes a part of it, and then no more.
      await until(5_000, 'a server that waits', () => (peer?.bytesWritten ?? 0) > 0)
      const { length: turns } = await Promise.all(Array.from({ length: 20 }, () => nextTurn()))
      expect(turns).to.equal(20)
      expect(written).to.equal(false)
      expect(octets).to.be.below(256 * 1024)
      client?.resume()
      await until(5_000, 'all of it', () => octets === all)
      expect(written).to.equal(true)
    } finally {
      front.close()
    }
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
