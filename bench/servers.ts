// The other end: the null broker in its own process, or a private RabbitMQ, which is given the messages that consumers are
// to get, and somebody who replies.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect } from '../src/index.js'
import { RabbitMqNode } from '../test/support/rabbitmq/rabbitmq-node.js'
import { CONFIRM_WINDOW, RPC_QUEUE, readSourceQueue, type ServerName } from './cases.js'
import { RICH_TIMESTAMP, richProperties } from './rich.js'

export interface Server {
  readonly name: ServerName
  readonly url: string
  /** For people. */
  readonly description: string
  /** Sees to the messages of a source queue. */
  prepare(queue: string): Promise<void>
  stop(): Promise<void>
}

/** Published together; a connection keeps 64 MiB that wait to be sent. */
const BATCH_OCTETS = 16 * 2 ** 20

export async function startNullBroker(): Promise<Server> {
  const broker = fork(fileURLToPath(new URL('null-broker.js', import.meta.url)))
  const ended = new AbortController()
  broker.once('exit', code => ended.abort(new Error(`the null broker ended with ${code}`)))
  const [port] = await once(broker, 'message', { signal: ended.signal })
  return {
    name: 'null',
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    description: 'null broker',
    prepare: () => Promise.resolve(),
    stop: async () => {
      broker.kill()
    },
  }
}

export async function startRabbitMq(): Promise<Server> {
  const node = await RabbitMqNode.start()
  const url = `amqp://guest:guest@127.0.0.1:${node.port}`
  const connection = await connect(url)
  const replies = await connection.openChannel()
  await replies.queueDeclare(RPC_QUEUE)
  await replies.consume(RPC_QUEUE, { noAck: true }, async ({ body, properties }) => {
    const { replyTo = '', correlationId } = properties
    await replies.publish('', replyTo, body, { correlationId })
  })
  const source = await connection.openChannel({ confirm: true })
  return {
    name: 'live',
    url,
    description: `RabbitMQ ${node.version}`,
    prepare: async queue => {
      const { messages, bodySize, rich } = readSourceQueue(queue)
      const body = Buffer.alloc(bodySize, 'x')
      await source.queueDeclare(queue, { autoDelete: true })
      const batch = Math.max(1, Math.min(CONFIRM_WINDOW, BATCH_OCTETS / bodySize))
      for (let sent = 0; sent < messages; ) {
        for (const end = Math.min(sent + batch, messages); sent < end; sent++) {
          // On disk they would cost what nobody measures.
          const properties = rich ? richProperties(sent, RICH_TIMESTAMP) : {}
          void source.publish('', queue, body, { ...properties, deliveryMode: 1 })
        }
        await source.waitForConfirms()
      }
    },
    stop: async () => {
      await connection.close()
      await node.stop()
    },
  }
}
