// The broker of the demo, which can be made to fall silent: a private node is stopped where it is (SIGSTOP), as a host that
// hangs would be; a broker that AMQP_URL names is not ours to stop, so a proxy in front of it passes nothing on, as a
// network that drops every packet would.

import { FaultProxy } from '../test/support/fault-proxy.js'
import { RabbitMqNode } from '../test/support/rabbitmq/rabbitmq-node.js'

export interface Broker {
  readonly url: string
  /** What it is, for people. */
  readonly description: string
  /** How it is frozen, for people. */
  readonly freezing: string
  /** From now on it is silent, and every connection stays open. */
  freeze(): Promise<void>
  /** It goes on where it was. */
  thaw(): Promise<void>
  stop(): Promise<void>
}

/** The broker that AMQP_URL names, else a private node, which takes a few seconds to start. */
export function startBroker(): Promise<Broker> {
  const url = process.env['AMQP_URL']
  return url ? approachBroker(url) : startNode()
}

async function startNode(): Promise<Broker> {
  const node = await RabbitMqNode.start()
  return {
    url: node.url,
    description: `RabbitMQ ${node.version}, a private node on 127.0.0.1:${node.port}`,
    freezing: 'its processes are stopped with SIGSTOP',
    freeze: () => node.freeze(),
    thaw: () => node.thaw(),
    stop: () => node.stop(),
  }
}

async function approachBroker(url: string): Promise<Broker> {
  const { hostname, port } = new URL(url)
  const target = { host: hostname.replace(/^\[|\]$/g, '') || 'localhost', port: Number(port) || 5672 }
  const proxy = await FaultProxy.start({ target })
  return {
    url: proxy.url(url),
    description: `the broker at ${target.host}:${target.port}, through a proxy on 127.0.0.1:${proxy.port}`,
    freezing: 'the proxy in front of it passes nothing on',
    freeze: async () => proxy.freeze(),
    thaw: async () => proxy.thaw(),
    stop: () => proxy.close(),
  }
}
