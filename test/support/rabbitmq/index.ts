// The door to the brokers of the tests: private nodes, and the shared one.

export type { RabbitMqSettings } from './node-launcher.js'
export { RabbitMqNode, type RabbitMqNodeOptions } from './rabbitmq-node.js'
export {
  type Broker,
  needsControl,
  sharedBroker,
  sharedNode,
  sharedVersion,
  stopSharedBroker,
} from './shared-broker.js'
