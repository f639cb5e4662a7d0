// What a private node needs from the place where it runs: from this machine (local-launcher.ts) or from a container
// (docker-launcher.ts). A launcher knows processes and files; what it does not know is AMQP and the control channel.

import type { ChildProcessWithoutNullStreams } from 'node:child_process'

/** One setting of rabbitmq.conf, by its name there: `{ heartbeat: 1, 'auth_mechanisms.1': 'PLAIN' }`. */
export type RabbitMqSettings = Readonly<Record<string, string | number | boolean>>

/** What every node is given, so that tests of one kind fit all versions; a node's own settings come after it. */
export const DEFAULT_SETTINGS: RabbitMqSettings = {
  // The default of RabbitMQ 3; that of 4 is 16 MiB.
  max_message_size: 134_217_728,
}

/** A client may have a certificate, which then must be one of the node's authority. */
export const CLIENT_CERTIFICATES: RabbitMqSettings = {
  'ssl_options.verify': 'verify_peer',
  'ssl_options.fail_if_no_peer_cert': false,
}

/** Where a node listens with TLS, and with what: files on this machine. */
export interface TlsListener {
  /** On 127.0.0.1, the same in every life of the node. */
  readonly port: number
  readonly cacertfile: string
  readonly certfile: string
  readonly keyfile: string
}

export interface NodeLauncher {
  /** The AMQP port on 127.0.0.1, the same in every life of the node. */
  readonly port: number
  /** Starts the VM; its three streams are pipes, its standard input is the control channel. */
  launch(): Promise<ChildProcessWithoutNullStreams>
  /** Stops every process of the VM where it is: connections stay open and silent. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** SIGKILL: no goodbye to anyone. */
  kill(): Promise<void>
  /** Runs the command line tool of the server; resolves with what it printed, rejects when it fails. */
  ctl(parameters: readonly string[]): Promise<string>
  /** Ends what serves the node beside the VM; to be called when the VM has ended. */
  release(): Promise<void>
}
