// The watchdog of one node: a shell that does nothing but wait for the end of its standard input. The test process
// holds the other end of that pipe, so the kernel closes it however the test process dies, by SIGKILL too. The reaper
// then kills what the node's state file names and removes the directory.
//
// The Erlang VM ends by itself when its own standard input ends (see control-channel.ts), but not while it is frozen or
// still booting; and it would leave its port mapper and its directory. The reaper is a session of its own, so that a
// Ctrl-C meant for the tests does not take it first. Precedent: the ryuk container of Testcontainers.

import { type ChildProcess, spawn } from 'node:child_process'
import type { NodeDirectory } from './node-directory.js'

const DISMISSED = 'dismissed'

const SCRIPT = `
trap '' HUP INT TERM
while read -r word; do [ "$word" = ${DISMISSED} ] && exit 0; done
command_line() {
  if [ -r "/proc/$1/cmdline" ]; then tr '\\000' ' ' < "/proc/$1/cmdline"; else ps -ww -o args= -p "$1"; fi
}
while read -r kind id rest; do
  case $kind in
    process) command_line "$id" | grep -q -F "$(basename "$1")" && kill -KILL "$id" ;;
    container) docker rm --force --volumes "$id" ;;
  esac
done < "$1/state"
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`

export class Reaper {
  readonly #child: ChildProcess

  /** Starts watching over the node of that directory; its state file is read only when the watch ends. */
  constructor(directory: NodeDirectory) {
    this.#child = spawn('/bin/sh', ['-c', SCRIPT, 'thump-reaper', directory.path], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#child.on('error', () => {})
    this.#child.stdin?.on('error', () => {})
    this.#child.unref()
  }

  /** Ends the watch: the node was stopped in order. */
  dismiss(): void {
    this.#child.stdin?.end(`${DISMISSED}\n`)
  }
}
