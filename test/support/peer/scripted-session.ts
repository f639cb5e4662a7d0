// A thump connection and the scripted peer at its other end, on a loopback socket, with the handshake behind them and the
// peer answering calls. Closing it never waits for the peer: its socket is destroyed.

import { type Connection, type ConnectOptions, connect } from '../../../src/index.js'
import { within } from '../rabbitmq/deadline.js'
import { type PeerTune, type ScriptedPeer, ScriptedServer } from './scripted-peer.js'

export class ScriptedSession {
  readonly connection: Connection
  readonly peer: ScriptedPeer
  readonly #server: ScriptedServer

  private constructor(server: ScriptedServer, peer: ScriptedPeer, connection: Connection) {
    this.#server = server
    this.peer = peer
    this.connection = connection
  }

  static async open(options: ConnectOptions = {}, tune: PeerTune = {}): Promise<ScriptedSession> {
    const server = await ScriptedServer.listen()
    try {
      const connecting = connect(server.url, options)
      const peer = await within(2_000, 'a client', server.accept())
      await peer.handshake(tune)
      peer.answerCalls()
      return new ScriptedSession(server, peer, await connecting)
    } catch (error) {
      await server.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#server.close()
    await within(2_000, 'the end of the connection', this.connection.closed)
  }
}
