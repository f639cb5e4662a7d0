// Where, when and how something was measured, for people.

import { cpus, loadavg } from 'node:os'
import { versionOfPeer } from './clients/peer-package.js'
import { type BenchOptions, RUNS } from './options.js'

const PACKAGES = ['amqplib', 'rabbitmq-client', '@cloudamqp/amqp-client']

export function describeMachine(): string {
  const [processor] = cpus()
  const load = loadavg()[0]?.toFixed(1)
  const when = new Date().toISOString().slice(0, 10)
  return `${when}, ${cpus().length} × ${processor?.model.trim()}, ${process.platform}, Node ${process.version}, load ${load}`
}

export function describeVersions(servers: readonly string[]): string {
  return [...PACKAGES.map(name => `${name} ${versionOfPeer(name)}`), ...servers].join(', ')
}

export function describeEffort({ runs, seconds }: BenchOptions): string {
  if (runs === 1) return `One run of ${seconds} s`
  const times = runs ?? `${RUNS.null}, with RabbitMQ of ${RUNS.live}`
  return `Medians of ${times} runs of ${seconds} s`
}
