// A server in a process of its own, whose event loop goes on while the client's is blocked: it opens a connection with the
// heartbeat interval it is given, beats twice in each, and tells what comes first after every silence of its client that
// is longer than one.

import { ScriptedServer } from '../peer/scripted-peer.js'
import { report } from './report.js'

const heartbeat = Number(process.argv[2])
const server = await ScriptedServer.listen()
report('listening', { url: server.url })
const peer = await server.accept()
await peer.handshake({ heartbeat })
peer.answerCalls()
peer.beat((heartbeat * 1000) / 2)
let heardAt = performance.now()
peer.socket.on('data', (chunk: Buffer) => {
  const silenceMs = performance.now() - heardAt
  heardAt = performance.now()
  if (silenceMs > heartbeat * 1000) report('heard', { silenceMs, octets: chunk.toString('hex', 0, 64) })
})
peer.socket.on('end', () => void server.close())
