import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { FaultProxy } from './fault-proxy.js'
import { hex, toHex } from './hex.js'
import { until, within } from './rabbitmq/deadline.js'

const HEARTBEAT = hex`08000000000000ce`
const QOS_OK = hex`01000100000004003c000bce`

/** Long enough for loopback to deliver what was sent, many times over. */
const SILENCE_MS = 100

describe('FaultProxy', () => {
  let server: Server
  let accepted: Endpoint[]
  let clients: Endpoint[]
  let proxy: FaultProxy

  beforeEach(async () => {
    accepted = []
    clients = []
    server = createServer({ allowHalfOpen: true }, socket => accepted.push(new Endpoint(socket)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the server has no port')
    proxy = await FaultProxy.start({ target: { port: address.port } })
  })

  afterEach(async () => {
    await proxy.close()
    const closed = server.listening ? once(server, 'close') : undefined
    server.close()
    for (const endpoint of [...accepted, ...clients]) await endpoint.close()
    await closed
  })

  function dialProxy(): Endpoint {
    const client = new Endpoint(connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true }))
    clients.push(client)
    return client
  }

  /** A client, and the server's end of its connection. */
  async function dial(): Promise<[client: Endpoint, peer: Endpoint]> {
    const before = accepted.length
    const client = dialProxy()
    await until(2_000, 'a connection at the server', () => accepted.length > before)
    return [client, accepted.at(-1) as Endpoint]
  }

  it('passes octets both ways and counts them', async () => {
    const [client, peer] = await dial()
    client.socket.write('question')
    await peer.received('question')
    peer.socket.write('long answer')
    await client.received('long answer')
    expect(proxy.links).to.have.length(1)
    expect(proxy.octets).to.deep.equal({
      toServer: { received: 8, forwarded: 8 },
      toClient: { received: 11, forwarded: 11 },
    })
  })

  it('passes large amounts unchanged', async () => {
    const [client, peer] = await dial()
    const octets = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 7) % 251))
    client.socket.end(octets)
    await peer.ended()
    expect(Buffer.concat(peer.chunks).equals(octets)).to.equal(true)
  })

  it('puts itself in the place of the host and port of a URL', () => {
    const url = proxy.url('amqp://guest:guest@broker.example:5672/%2f?heartbeat=2')
    expect(url).to.equal(`amqp://guest:guest@127.0.0.1:${proxy.port}/%2f?heartbeat=2`)
  })

  it('resolves nextLink with the link that is accepted next', async () => {
    const next = proxy.nextLink()
    const [client] = await dial()
    expect((await next).clientPort).to.equal(client.socket.localPort)
  })

  it('passes on the end of a stream and leaves the other direction open', async () => {
    const [client, peer] = await dial()
    client.socket.end('bye')
    await peer.ended()
    peer.socket.write('still here')
    await client.received('still here')
    expect(client.hasEnded).to.equal(false)
  })

  it('passes on a reset', async () => {
    const [client, peer] = await dial()
    peer.socket.resetAndDestroy()
    expect(await client.failed()).to.equal('ECONNRESET')
  })

  it('resets the client when the server refuses', async () => {
    server.close()
    await once(server, 'close')
    const client = dialProxy()
    expect(await client.failed()).to.equal('ECONNRESET')
  })

  it('freezes and thaws one direction', async () => {
    const [client, peer] = await dial()
    proxy.freeze('toServer')
    client.socket.write('waits')
    peer.socket.write('passes')
    await client.received('passes')
    await peer.staysSilent()
    proxy.thaw('toServer')
    await peer.received('waits')
  })

  it('lets the sender feel a freeze: its writes stop being taken', async () => {
    const [client] = await dial()
    proxy.freeze()
    const total = 64 * 1024 * 1024
    client.socket.write(Buffer.alloc(total))
    await new Promise(resolve => setTimeout(resolve, SILENCE_MS))
    expect(client.socket.writableLength).to.equal(total)
    expect(proxy.octets.toServer.received).to.equal(0)
  })

  it('freezes what is on its way too', async () => {
    const [client, peer] = await dial()
    proxy.delay(SILENCE_MS / 2)
    client.socket.write('on its way')
    await until(2_000, 'octets read by the proxy', () => proxy.octets.toServer.received > 0)
    proxy.freeze()
    await peer.staysSilent()
    proxy.thaw()
    await peer.received('on its way')
  })

  it('freezes links that come later too', async () => {
    proxy.freeze()
    const [client, peer] = await dial()
    client.socket.write('waits')
    await peer.staysSilent()
    proxy.thaw()
    await peer.received('waits')
  })

  it('freezes one link and not the others', async () => {
    const [frozen, frozenPeer] = await dial()
    const [client, peer] = await dial()
    proxy.links[0]?.freeze()
    frozen.socket.write('waits')
    client.socket.write('passes')
    await peer.received('passes')
    await frozenPeer.staysSilent()
  })

  it('swallows octets, the end and a reset in a black hole', async () => {
    const [client, peer] = await dial()
    proxy.blackHole('toServer')
    client.socket.write('lost')
    await until(2_000, 'octets read by the proxy', () => proxy.octets.toServer.received === 4)
    client.socket.resetAndDestroy()
    await peer.staysSilent()
    expect(peer.hasEnded || peer.socket.destroyed).to.equal(false)
    expect(proxy.octets.toServer.forwarded).to.equal(0)
  })

  it('passes again after a black hole is lifted, without what was lost', async () => {
    const [client, peer] = await dial()
    proxy.blackHole('toServer')
    client.socket.write('lost')
    await until(2_000, 'octets read by the proxy', () => proxy.octets.toServer.received === 4)
    proxy.clear()
    client.socket.write('kept')
    await peer.received('kept')
  })

  it('resets both sides', async () => {
    const [client, peer] = await dial()
    proxy.reset()
    expect(await client.failed()).to.equal('ECONNRESET')
    expect(await peer.failed()).to.equal('ECONNRESET')
    await within(2_000, 'the end of the link', proxy.links[0]?.closed ?? Promise.reject(new Error('no link')))
  })

  it('half-closes one direction', async () => {
    const [client, peer] = await dial()
    proxy.halfClose('toClient')
    await client.ended()
    peer.socket.write('too late')
    client.socket.write('goes on')
    await peer.received('goes on')
    await client.staysSilent()
  })

  it('delays octets and the end of the stream, in order', async () => {
    const [client, peer] = await dial()
    proxy.delay(150)
    const sentAt = performance.now()
    client.socket.write('one')
    client.socket.end('two')
    await peer.ended()
    expect(Buffer.concat(peer.chunks).toString()).to.equal('onetwo')
    expect(performance.now() - sentAt).to.be.within(149, 1_000)
  })

  it('sends what is delayed at once when the delay is lifted', async () => {
    const [client, peer] = await dial()
    proxy.delay(60_000)
    client.socket.write('late')
    await peer.staysSilent()
    proxy.clear()
    await peer.received('late')
  })

  it('throttles to a number of octets per second', async () => {
    const [client, peer] = await dial()
    proxy.throttle(10_000)
    const startedAt = performance.now()
    client.socket.end(Buffer.alloc(3_000))
    await peer.ended()
    expect(performance.now() - startedAt).to.be.within(250, 1_500)
  })

  it('sends one octet per write', async () => {
    const [client, peer] = await dial()
    proxy.chunk(1)
    client.socket.write('letters')
    await peer.received('letters')
    expect(peer.chunks.map(chunk => chunk.toString())).to.deep.equal([...'letters'])
  })

  it('swallows heartbeats and nothing else, across chunks', async () => {
    const [client, peer] = await dial()
    proxy.swallowHeartbeats('toServer')
    const stream = Buffer.concat([HEARTBEAT, QOS_OK, HEARTBEAT, HEARTBEAT, QOS_OK, HEARTBEAT])
    for (const octet of stream) {
      const { received } = proxy.octets.toServer
      client.socket.write(Buffer.of(octet))
      await until(2_000, 'an octet at the proxy', () => proxy.octets.toServer.received > received)
    }
    peer.socket.write(HEARTBEAT)
    await client.received(HEARTBEAT)
    await peer.received(Buffer.concat([QOS_OK, QOS_OK]))
  })

  it('lets a heartbeat end that began before it was told to swallow', async () => {
    const [client, peer] = await dial()
    client.socket.write(HEARTBEAT.subarray(0, 3))
    await peer.received(HEARTBEAT.subarray(0, 3))
    proxy.swallowHeartbeats()
    client.socket.write(Buffer.concat([HEARTBEAT.subarray(3), HEARTBEAT, QOS_OK]))
    await peer.received(Buffer.concat([HEARTBEAT, QOS_OK]))
  })

  it('flips an octet at an offset of the stream, once', async () => {
    const [client, peer] = await dial()
    client.socket.write('abc')
    await peer.received('abc')
    proxy.corrupt({ direction: 'toServer', offset: 4, xor: 0x20 })
    client.socket.write('defdef')
    await peer.received('abcdEfdef')
  })

  it('refuses to flip an octet that has passed', async () => {
    const [client, peer] = await dial()
    client.socket.write('abc')
    await peer.received('abc')
    const [link] = proxy.links
    expect(() => link?.corrupt({ direction: 'toServer', offset: 2 })).to.throw(
      RangeError,
      'octet 2 has passed',
    )
  })

  for (const [nextFrame, expected] of [
    ['type', 'fe000100000004003c000bce'],
    ['channel', '0100fe00000004003c000bce'],
    ['size', '010001000000fb003c000bce'],
    ['payload', '01000100000004ff3c000bce'],
    ['end', '01000100000004003c000b31'],
  ] as const) {
    it(`flips an octet of the next frame's ${nextFrame}, and none of the frame under way`, async () => {
      const [client, peer] = await dial()
      client.socket.write(QOS_OK.subarray(0, 2))
      await peer.received(QOS_OK.subarray(0, 2))
      proxy.corrupt({ direction: 'toServer', nextFrame })
      client.socket.write(Buffer.concat([QOS_OK.subarray(2), QOS_OK, QOS_OK]))
      await peer.received(Buffer.concat([QOS_OK, Buffer.from(expected, 'hex'), QOS_OK]))
    })
  }

  it('flips the octet of a part that is asked for, in whatever chunks the part comes', async () => {
    const [client, peer] = await dial()
    proxy.corrupt({ direction: 'toServer', nextFrame: 'size', octet: 2, xor: 0x7f })
    client.socket.write(QOS_OK.subarray(0, 4))
    await peer.received(QOS_OK.subarray(0, 4))
    client.socket.write(QOS_OK.subarray(4))
    await peer.received(hex`0100010000 7f04 003c000bce`)
  })

  it('refuses new connections and keeps the links, then accepts again on the same port', async () => {
    const [client, peer] = await dial()
    await proxy.refuse()
    const refused = dialProxy()
    expect(await refused.failed()).to.equal('ECONNREFUSED')
    client.socket.write('goes on')
    await peer.received('goes on')
    await proxy.accept()
    const [another, anotherPeer] = await dial()
    another.socket.write('hello')
    await anotherPeer.received('hello')
  })

  it('drops every link on close and can be closed twice', async () => {
    const [client] = await dial()
    await proxy.close()
    await until(2_000, 'the end of the client', () => client.socket.destroyed || client.hasEnded)
    await proxy.close()
  })
})

/** One end of a connection, and what came out of it. */
class Endpoint {
  readonly socket: Socket
  readonly chunks: Buffer[] = []
  hasEnded = false
  #error: string | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay()
    socket.on('data', chunk => this.chunks.push(chunk))
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code
    })
  }

  /** Resolves when exactly these octets, and no others, are in. */
  async received(octets: string | Buffer): Promise<void> {
    const expected = Buffer.from(octets)
    await until(
      2_000,
      `${expected.length} octets`,
      () => Buffer.concat(this.chunks).length >= expected.length,
    )
    expect(toHex(Buffer.concat(this.chunks))).to.equal(toHex(expected))
  }

  async staysSilent(): Promise<void> {
    const before = this.chunks.length
    await new Promise(resolve => setTimeout(resolve, SILENCE_MS))
    expect(this.chunks.length).to.equal(before)
  }

  async close(): Promise<void> {
    if (this.socket.closed) return
    const closed = once(this.socket, 'close')
    this.socket.destroy()
    await closed
  }

  async ended(): Promise<void> {
    await until(5_000, 'the end of the stream', () => this.hasEnded)
  }

  /** The code of the socket's error. */
  async failed(): Promise<string | undefined> {
    await until(2_000, 'an error of the socket', () => this.#error !== undefined)
    return this.#error
  }
}
