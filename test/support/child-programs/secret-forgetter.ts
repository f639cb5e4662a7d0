// Connects many times with a password that is new each time, to a server that refuses it, hangs up or lets it in; then looks
// through the whole heap for those passwords. A process of its own has a small heap, and no test that holds them too.

import { getHeapSnapshot } from 'node:v8'
import { connect } from '../../../src/index.js'
import { ScriptedServer } from '../peer/scripted-peer.js'
import { report } from './report.js'

const MARK = 'hunter2#'

/** As one string, where the heap can be searched for it, and not as pieces that were put together. */
function password(number: number): string {
  return Buffer.from(`${MARK}${number}`).toString()
}

async function found(): Promise<number[]> {
  const pieces: string[] = []
  for await (const piece of getHeapSnapshot()) pieces.push(String(piece))
  const numbers = [...pieces.join('').matchAll(new RegExp(`${MARK}(\\d+)`, 'g'))].map(match =>
    Number(match[1]),
  )
  return [...new Set(numbers)].sort((a, b) => a - b)
}

const server = await ScriptedServer.listen()
const held = { secret: password(0) }
let asked = 0
for (let attempt = 1; attempt <= 10; attempt++) {
  const connecting = connect(`amqp://127.0.0.1:${server.port}`, {
    credentials: async () => ({ username: 'user', password: password(++asked), expiresInMs: 3_600_000 }),
  })
  const peer = await server.accept()
  peer.answerCalls()
  if (attempt % 3 === 0) await peer.handshake()
  else await peer.start()
  // What a peer of the tests has been told is not the client's to forget.
  peer.inbox.length = 0
  if (attempt % 3 === 1) peer.socket.end()
  if (attempt % 3 === 2) {
    const args = { replyCode: 403, replyText: 'ACCESS_REFUSED', classId: 0, methodId: 0 }
    peer.send(0, { name: 'connection.close', args })
  }
  const connection = await connecting.catch(() => undefined)
  if (attempt === 9) report('open', { state: connection?.state, found: await found() })
  await connection?.close()
}
report('searched', { asked, found: await found(), held: held.secret })
await server.close()
