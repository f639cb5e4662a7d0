// The RabbitMQ server of this machine, as scripts/ensure-rabbitmq.js finds or installs it. That script is plain
// JavaScript, so that it runs before anything is compiled; the types here are its typedefs over again.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from './project-root.js'

/** Programs of a server on this machine. */
export interface LocalRabbitMq {
  readonly kind: 'local'
  readonly version: string
  readonly server: string
  readonly control: string
  readonly erl: string
  readonly epmd: string
}

/** An image for a Docker engine that answers. */
export interface DockerRabbitMq {
  readonly kind: 'docker'
  readonly version: string
  readonly docker: string
  readonly image: string
}

export type RabbitMqInstallation = LocalRabbitMq | DockerRabbitMq

interface EnsureModule {
  ensureRabbitMq(announce?: (line: string) => void): RabbitMqInstallation
}

let installation: Promise<RabbitMqInstallation> | undefined

/** Finds or installs the server, once per process; rejects with a sentence that says what to install. */
export function ensureInstallation(): Promise<RabbitMqInstallation> {
  installation ??= loadEnsureModule().then(module => module.ensureRabbitMq())
  return installation
}

async function loadEnsureModule(): Promise<EnsureModule> {
  return import(pathToFileURL(join(projectRoot(), 'scripts', 'ensure-rabbitmq.js')).href)
}
