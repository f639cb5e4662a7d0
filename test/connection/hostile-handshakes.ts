// What a server, or whatever answers in its place, can do to a client that logs in: one script for each. A script says all
// that it has to say and returns; the attempt to connect must be over then, or when its time is.

import type { ConnectOptions } from '../../src/index.js'
import type { MethodArgs, MethodOf } from '../../src/protocol/method-types.js'
import { frame, frameHeader, nested } from '../protocol/hostile-octets.js'
import type { ScriptedPeer } from '../support/peer/scripted-peer.js'

export interface HostileHandshake {
  readonly what: string
  script(peer: ScriptedPeer): Promise<void>
  /** It ends by the time alone. */
  readonly isSilent?: boolean
  readonly options?: ConnectOptions
}

const PATIENT: ConnectOptions = {
  auth: { mechanism: 'PLAIN', initialResponse: () => Buffer.from('who?'), answer: challenge => challenge },
}

export const HOSTILE_HANDSHAKES: readonly HostileHandshake[] = [
  { what: 'says nothing', script: peer => peer.expectHeader(), isSilent: true },
  { what: 'says nothing after Start-Ok', script: async peer => void (await peer.start()), isSilent: true },
  { what: 'says nothing after Tune-Ok', script: async peer => void (await tuned(peer)), isSilent: true },
  {
    what: 'beats, and says nothing else',
    script: async peer => {
      await peer.start()
      for (let count = 0; count < 100; count++) peer.sendOctets(peer.codec.heartbeat())
    },
    isSilent: true,
  },
  {
    what: 'begins a frame that never ends',
    script: async peer => {
      await peer.expectHeader()
      peer.sendOctets(frameHeader(1, 0, 4000))
    },
    isSilent: true,
  },
  { what: 'hangs up at once', script: async peer => void peer.socket.end() },
  { what: 'resets at once', script: async peer => void peer.socket.resetAndDestroy() },
  {
    what: 'hangs up after Start-Ok',
    script: async peer => {
      await peer.start()
      peer.socket.end()
    },
  },
  {
    what: 'resets after Start-Ok',
    script: async peer => {
      await peer.start()
      peer.socket.resetAndDestroy()
    },
  },
  {
    what: 'hangs up after Tune-Ok',
    script: async peer => {
      await tuned(peer)
      peer.socket.end()
    },
  },
  { what: 'closes instead of Start', script: async peer => close(peer, 403, 'ACCESS_REFUSED') },
  {
    what: 'refuses the credentials, and says them again',
    script: async peer => {
      const { args } = await peer.start()
      close(peer, 403, `ACCESS_REFUSED - not${args.response.toString().replaceAll('\0', ' ')}`)
    },
  },
  {
    what: 'refuses the virtual host, and says the password again',
    script: async peer => {
      const { args } = await tuned(peer)
      close(peer, 530, `NOT_ALLOWED -${args.response.toString().replaceAll('\0', ' ')}`)
    },
  },
  { what: 'offers no mechanism', script: peer => start(peer, { mechanisms: Buffer.alloc(0) }) },
  {
    what: 'offers other mechanisms',
    script: peer => start(peer, { mechanisms: Buffer.from('EXTERNAL GSSAPI') }),
  },
  {
    what: 'offers nonsense',
    script: peer => start(peer, { mechanisms: Buffer.alloc(4000, '\n\u001b[2J ') }),
  },
  { what: 'starts another version', script: peer => start(peer, { versionMinor: 10 }) },
  { what: 'challenges a mechanism without answers', script: challenge },
  {
    what: 'challenges without end',
    script: async peer => {
      peer.on('connection.secure-ok', ({ method }) =>
        peer.send(0, { name: 'connection.secure', args: { challenge: (method as Answer).args.response } }),
      )
      await challenge(peer)
    },
    options: PATIENT,
  },
  {
    what: 'wants an answer that is too large',
    script: challenge,
    options: {
      auth: { mechanism: 'PLAIN', initialResponse: () => Buffer.alloc(1), answer: () => Buffer.alloc(9000) },
    },
  },
  {
    what: 'starts twice',
    script: async peer => {
      await peer.start()
      await start(peer, {})
    },
  },
  {
    what: 'tunes before it starts',
    script: async peer =>
      peer.send(0, { name: 'connection.tune', args: { channelMax: 1, frameMax: 9000, heartbeat: 0 } }),
  },
  {
    what: 'tunes to frames that are too small',
    script: async peer => {
      await peer.start()
      peer.send(0, { name: 'connection.tune', args: { channelMax: 1, frameMax: 100, heartbeat: 1 } })
    },
  },
  {
    what: 'opens without having tuned',
    script: async peer => {
      await peer.start()
      peer.send(0, { name: 'connection.open-ok', args: {} })
    },
  },
  {
    what: 'opens a channel',
    script: async peer => {
      await peer.start()
      peer.send(1, { name: 'channel.open-ok', args: {} })
    },
  },
  {
    what: 'answers with octets of nothing',
    script: async peer => peer.sendOctets(Buffer.alloc(20_000, 0x55)),
  },
  {
    what: 'answers Start-Ok with what it was sent',
    script: async peer => {
      const { args } = await peer.start()
      peer.sendOctets(Buffer.concat([args.response, args.response]))
    },
  },
  {
    what: 'begins a frame of four gigabytes',
    script: async peer => peer.sendOctets(frameHeader(1, 0, 0xffff_ffff)),
  },
  {
    what: 'sends a method that is none',
    script: async peer => peer.sendOctets(frame(1, 0, Buffer.from('000a0063', 'hex'))),
  },
  {
    what: 'starts with a table inside a table inside a table',
    script: async peer => {
      const lists = Buffer.from('00000005504c41494e00000005656e5f5553', 'hex')
      const payload = [Buffer.from('000a000a0009', 'hex'), nested('tables', 1000), lists]
      peer.sendOctets(frame(1, 0, Buffer.concat(payload)))
    },
  },
  { what: 'sends a frame without its end', script: async peer => peer.sendOctets(Buffer.alloc(64, 1)) },
  {
    what: 'is an HTTP server',
    script: async peer => peer.sendOctets(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
  },
]

type Answer = MethodOf<'connection.secure-ok'>

/** Sends Start, and waits for no answer. */
async function start(peer: ScriptedPeer, changes: Partial<MethodArgs<'connection.start'>>): Promise<void> {
  const args = { versionMajor: 0, versionMinor: 9, serverProperties: { product: 'hostile' } }
  const lists = { mechanisms: Buffer.from('PLAIN'), locales: Buffer.from('en_US') }
  peer.send(0, { name: 'connection.start', args: { ...args, ...lists, ...changes } })
}

/** Up to Tune-Ok; returns Start-Ok. */
async function tuned(peer: ScriptedPeer): Promise<MethodOf<'connection.start-ok'>> {
  const started = await peer.start()
  await peer.tune()
  await peer.expect('connection.open')
  return started
}

async function challenge(peer: ScriptedPeer): Promise<void> {
  await peer.start()
  peer.send(0, { name: 'connection.secure', args: { challenge: Buffer.from('who?') } })
}

function close(peer: ScriptedPeer, replyCode: number, replyText: string): void {
  peer.send(0, { name: 'connection.close', args: { replyCode, replyText, classId: 0, methodId: 0 } })
}
