// Where and when something was measured, for people.

import { cpus, loadavg } from 'node:os'

export function describeMachine(): string {
  const [processor] = cpus()
  const load = loadavg()[0]?.toFixed(1)
  const when = new Date().toISOString().slice(0, 10)
  return `${when}, ${cpus().length} × ${processor?.model.trim()}, ${process.platform}, Node ${process.version}, load ${load}`
}
