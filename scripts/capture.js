#!/usr/bin/env node
// @ts-check
//
// Writes test/captures: what a real RabbitMQ sent, octet by octet, for tests of decoders. A private node is started for
// it; what the client says is in capture/octets.js and capture/conversations.js.
//
//   npm run build:test && node scripts/capture.js [--build DIRECTORY]
//
// The node comes from the compiled test support, in build/ or DIRECTORY. One file per capture; its format is explained
// in its first lines, and read by test/support/captures.ts.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { CAPTURES } from './capture/conversations.js'
import { COMMAND, formatCapture } from './capture/file-format.js'
import { CHANNEL_OPEN, START_OK, TUNE_OK } from './capture/octets.js'
import { openConnection, RawClient } from './capture/raw-client.js'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const DIRECTORY = join(ROOT, 'test', 'captures')

async function main() {
  const option = process.argv.indexOf('--build')
  const build = option < 0 ? join(ROOT, 'build') : resolve(process.argv[option + 1] ?? '')
  const support = join(build, 'test', 'support', 'rabbitmq', 'index.js')
  if (!existsSync(support)) throw new Error(`${support} is not there: compile the tests first (${COMMAND})`)
  const { RabbitMqNode } = await import(pathToFileURL(support).href)
  mkdirSync(DIRECTORY, { recursive: true })
  const node = await RabbitMqNode.start()
  try {
    // By default it is the name of the node, which is another one each time.
    await node.ctl('set_cluster_name', 'captured')
    for (const { name, what, after = 'channel', startOk = START_OK, tuneOk = TUNE_OK, talk } of CAPTURES) {
      const client = new RawClient(node.port)
      if (after !== 'nothing') await openConnection(client, startOk, tuneOk)
      if (after === 'channel') {
        client.say(CHANNEL_OPEN)
        await client.hear()
      }
      client.transcript.length = 0
      await talk(client, node)
      writeFileSync(join(DIRECTORY, `${name}.hex`), formatCapture(client.transcript, what, node.version))
      client.socket.destroy()
      process.stdout.write(`${name}\n`)
    }
  } finally {
    await node.stop()
  }
}

await main()
