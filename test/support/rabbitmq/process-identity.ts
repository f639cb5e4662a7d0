// Who a process id is: a number alone says nothing once its process has ended and the number is used again. Linux
// answers from /proc; elsewhere ps does. It does not signal anybody.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const HAS_PROC = existsSync('/proc/self/stat')

/** When the process started, in the system's own notation; undefined when it does not run (a zombie does not). */
export function startTimeOf(pid: number): string | undefined {
  if (!HAS_PROC) return processStatus(pid, 'lstart=')
  // The second field is the program's name in parentheses and may hold anything: count from the last parenthesis.
  const fields = readProc(pid, 'stat')?.split(')').at(-1)?.trim().split(' ')
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19]
}

/** The program and its arguments, separated by spaces; undefined when the process does not run. */
export function commandLineOf(pid: number): string | undefined {
  if (!HAS_PROC) return processStatus(pid, 'args=')
  return readProc(pid, 'cmdline')?.replaceAll('\0', ' ').trim() || undefined
}

/** Whether every thread of a process was stopped by SIGSTOP, which takes the kernel a moment; also of one that has ended. */
export function isStopped(pid: number): boolean {
  if (!HAS_PROC) return !/^[^T]/.test(processStatus(pid, 'state=') ?? '')
  return threadsOf(pid).every(thread =>
    /^[TXZ]/.test(readProc(pid, `task/${thread}/stat`)?.split(') ').at(-1) ?? 'X'),
  )
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

function processStatus(pid: number, format: string): string | undefined {
  const { status, stdout } = spawnSync('ps', ['-ww', '-o', format, '-p', String(pid)], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() || undefined : undefined
}
