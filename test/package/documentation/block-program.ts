// A block of code as a program of its own. A whole block is taken as it is. A fragment continues from a connection, a confirm
// channel and the queue `tasks`, as the pages say: they are put in front, and the end of the connection behind.

import type { CodeBlock } from './code-block.js'

const NAMES = [
  'AmqpError',
  'ArgumentError',
  'AuthenticationError',
  'BackpressureError',
  'CallTimeoutError',
  'ChannelClosedError',
  'ConsumerClosedError',
  'connect',
  'describeReason',
  'field',
  'HeartbeatError',
  'NackedError',
  'openRpcClient',
  'PublishesFailedError',
  'RequestTimeoutError',
  'ReturnedError',
  'RpcError',
  'serveRpc',
  'UnconfirmedError',
]

/** The addresses that the pages use. */
const BROKER = /amqp:\/\/guest:guest@localhost(:5672)?/g
const TLS_BROKER = /amqps:\/\/guest:guest@localhost(:5671)?/g

export interface Addresses {
  readonly url: string
  readonly tlsUrl: string
}

export function programOf(block: CodeBlock, { url, tlsUrl }: Addresses): string {
  const text = block.isWhole ? block.text : frame(block.text, url)
  return text.replaceAll(BROKER, url).replaceAll(TLS_BROKER, tlsUrl)
}

/** In a scope of its own, so that it may declare the names that the frame declares. */
function frame(text: string, url: string): string {
  const rows = text.split('\n')
  const imports = rows.filter(row => row.startsWith('import '))
  const rest = rows.filter(row => !row.startsWith('import '))
  return [
    `import { ${NAMES.join(', ')} } from 'thump'`,
    ...imports,
    `const connection = await connect('${url}')`,
    'const channel = await connection.openChannel({ confirm: true })',
    "await channel.queueDeclare('tasks')",
    "process.once('SIGTERM', () => connection.close())",
    '{',
    ...rest,
    '}',
    'await connection.close()',
    '',
  ].join('\n')
}
