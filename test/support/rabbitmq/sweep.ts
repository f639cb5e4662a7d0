// Clears away what earlier test runs left behind when they died: the nodes whose owner is dead. Exactly the processes
// that a node's state file names are killed, and each only if its command line still bears that node's name, so
// neither a broker of somebody else's nor a process that was given the same number is touched.

import { spawnSync } from 'node:child_process'
import { until } from './deadline.js'
import { NodeDirectory } from './node-directory.js'
import { commandLineOf } from './process-identity.js'

const KILLED_WITHIN_MS = 10_000

/** Kills the nodes of dead test runs and removes their directories; several runs may do so at once. */
export async function sweepAbandonedNodes(): Promise<void> {
  for (const directory of NodeDirectory.list().filter(candidate => candidate.isAbandoned())) {
    const state = directory.readState()
    const processes = (state?.processes ?? []).filter(pid => belongsTo(pid, directory))
    for (const pid of processes) killIfThere(pid)
    for (const name of state?.containers ?? []) spawnSync('docker', ['rm', '--force', '--volumes', name])
    await until(KILLED_WITHIN_MS, `processes of ${directory.path} end`, () =>
      processes.every(pid => !belongsTo(pid, directory)),
    )
    directory.remove()
  }
}

function belongsTo(pid: number, directory: NodeDirectory): boolean {
  return commandLineOf(pid)?.includes(directory.name) === true
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
