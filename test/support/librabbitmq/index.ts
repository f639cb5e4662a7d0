// The door to librabbitmq, RabbitMQ's C client: its programs, and a peer of ours built with it.

export { AmqpPrograms, type ProgramEnd } from './amqp-programs.js'
export { INSTALLATION_MS, needsAmqpTools, needsCompiler } from './installation.js'
export { LibrabbitmqPeer } from './librabbitmq-peer.js'
export { PeerProgram } from './peer-program.js'
export type { WireDecimal, WireEntries, WireField, WireTable } from './wire-field.js'
export type { WireMessage, WireProperties } from './wire-message.js'
