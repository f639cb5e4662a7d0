// Connects to the URL, publishes, consumes what it published, and closes. Then it has nothing left to do.

import { connect } from '../../../src/index.js'
import { report, reportExit } from './report.js'

reportExit()
const connection = await connect(process.argv[2] as string)
const channel = await connection.openChannel({ confirm: true })
const { queue } = await channel.queueDeclare('')
const consumed = new Promise<void>((resolve, reject) => {
  channel.consume(queue, () => resolve()).catch(reject)
})
await channel.publish('', queue, 'hello')
await consumed
const { by } = await connection.close()
report('closed', { by })
