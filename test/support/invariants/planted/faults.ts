// Tests that pass by themselves, each with one fault of the kinds that the invariants forbid, or with none. It is not one
// of the suite's test files: `invariants.test.ts` runs it and reads what became of every test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { expectWarning, grows, keep, watch } from '../index.js'
import { Line } from './line.js'

async function listen(): Promise<Server> {
  const server = createServer(socket => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function dial(server: Server): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

describe('clean', () => {
  it('a promise that settles', async () => {
    expect(await new Line().answered()).to.equal('an answer')
  })

  it('a promise that settles a moment after the test', () => {
    void new Line().slow()
  })

  it('a rejection that is handled', async () => {
    await new Line().refused().catch(() => {})
  })

  it('a timer that is cleared', () => {
    clearTimeout(setTimeout(() => {}, 60_000))
  })

  it('a server and a socket that are closed in a hook', async () => {
    server = await listen()
    socket = await dial(server)
  })

  let server: Server | undefined
  let socket: Socket | undefined
  afterEach(() => {
    socket?.destroy()
    server?.close()
  })

  it('a child process that ends', async () => {
    await once(spawn(process.execPath, ['--version']), 'exit')
  })

  it('a timer that is kept', async () => {
    const timer = keep('for the whole run', () => setInterval(() => {}, 60_000))
    after(() => clearInterval(timer))
  })

  it('a warning that is expected', () => {
    expectWarning(/planned/)
    process.emitWarning('a planned warning')
  })

  it('an action that leaves nothing', async () => {
    await grows(() => Buffer.alloc(1024), { times: 1000, maxOctets: 64 * 1024 })
  })
})

describe('a suite that shares a socket', () => {
  let server: Server
  let socket: Socket
  let timer: NodeJS.Timeout

  before(async () => {
    server = await listen()
    socket = await dial(server)
  })

  after(() => {
    socket.destroy()
    server.close()
    clearTimeout(timer)
  })

  it('the heart of the shared socket beats on', () => {
    timer = setTimeout(() => {}, 60_000)
  })
})

describe('planted', () => {
  it('a pending promise of a method', () => {
    void new Line().unanswered()
  })

  it('a pending promise of a getter', () => {
    void new Line().closed
  })

  it('a pending promise of an iterator', async () => {
    const iterator = new Line()[Symbol.asyncIterator]()
    await iterator.next()
    void iterator.next()
  })

  it('a pending promise that is watched', () => {
    void watch(new Promise(() => {}), 'a handshake')
  })

  it('a timer', () => {
    setTimeout(() => {}, 60_000)
  })

  it('a timer without its reference', () => {
    setInterval(() => {}, 60_000).unref()
  })

  it('an immediate that begins anew', () => {
    const again = () => setImmediate(again)
    again()
  })

  it('a server', async () => {
    await listen()
  })

  it('a socket', async () => {
    const server = await listen()
    await Promise.all([dial(server), once(server, 'connection')])
    server.close()
  })

  it('a child process', () => {
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  })

  it('a listener of the process', () => {
    process.on('SIGHUP', () => {})
  })

  it('a stray exception after the test', () => {
    setImmediate(() => {
      throw new Error('out of the blue')
    })
  })

  it('a stray exception while the test runs', async () => {
    setImmediate(() => {
      throw new Error('out of the sky')
    })
    await new Promise(() => {})
  })

  it('a stray rejection', () => {
    void new Line().refused()
  })

  it('a rejection that is handled too late', async () => {
    const refused = new Line().refused()
    await new Promise(resolve => setTimeout(resolve, 10))
    await refused.catch(() => {})
  })

  it('an unexpected warning', () => {
    process.emitWarning('nobody asked for this')
  })

  it('an expected warning that does not come', () => {
    expectWarning(/never said/)
  })

  // Much more than a page of V8's young generation, 256 KiB, which is held at one look and not at the next.
  it('growth', async () => {
    const kept: Buffer[] = []
    await grows(() => kept.push(Buffer.alloc(65_536)), { times: 100, maxOctets: 512 * 1024 })
  })

  it('growth of listeners', async () => {
    await grows(() => emitter.on('drain', () => {}), {
      times: 100,
      maxOctets: 1024 * 1024,
      emitters: [emitter],
    })
  })
  const emitter = createServer().setMaxListeners(0)
})

describe('a suite that leaks', () => {
  before(() => {
    setTimeout(() => {}, 60_000)
  })

  it('is not to blame', () => {})
})

describe('afterwards', () => {
  it('the next test is clean', () => {})
})
