// A busy application that nobody looks after: it publishes with and without confirms, calls, consumes with a handler and
// with an iterator, awaits none of it and listens to nothing. Of what is thrown from nowhere Node would die. It tells how
// the connection ended, and then has nothing left to do.

import { connect } from '../../../src/index.js'
import { report, reportExit } from './report.js'

reportExit()
const connection = await connect(process.argv[2] as string)
const confirming = await connection.openChannel({ confirm: true })
const plain = await connection.openChannel()
const { queue } = await plain.queueDeclare('')
await confirming.consume(queue, () => undefined)
const iterated = await plain.consume(queue)
iterated[Symbol.asyncIterator]().next()

const publishing = setInterval(() => {
  confirming.publish('', queue, 'confirmed', { mandatory: true })
  plain.publish('', queue, Buffer.alloc(10_000))
  plain.publish('', 'nobody', 'unroutable', { mandatory: true })
  plain.get('')
  confirming.queueDeclare('', { exclusive: true })
  connection.openChannel()
}, 20)

connection.closed.then(({ by, code, text, method, error }) => {
  clearInterval(publishing)
  // What comes too late is refused, and that is nobody's business either.
  confirming.publish('', queue, 'late')
  plain.publish('', queue, 'late')
  plain.queueDeclare('')
  connection.openChannel()
  const names: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) names.push(cause.name)
  report('closed', { by, code, text, method, causes: names })
})
report('busy')
