// The demo, from the broker to the exit code. What happens in it is story.ts; the code worth copying is lifeline.ts (a
// connection that comes back, by hand) and publisher.ts (no message is forgotten).

import { startBroker } from './broker.js'
import { PlainView } from './plain-view.js'
import { Story } from './story.js'
import { TerminalView } from './terminal-view.js'
import type { View } from './view.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** What a shell makes of a Ctrl-C. */
const INTERRUPTED = 130

/** Runs the demo. Resolves with 0 when every step happened and nothing that was confirmed is missing. */
export async function main(): Promise<number> {
  const interruption = new AbortController()
  // Stays to the end: some runners pass on a signal that the terminal has delivered already.
  const interrupt = () => interruption.abort()
  for (const name of SIGNALS) process.on(name, interrupt)
  const view = chooseView()
  try {
    return (await run(view, interruption.signal)) ? 0 : 1
  } catch (error) {
    if (interruption.signal.aborted) {
      view.tell('interrupted; everything is cleaned up', 'bad')
      return INTERRUPTED
    }
    view.tell(`the demo failed: ${error instanceof Error ? error.message : error}`, 'bad')
    return 1
  } finally {
    view.end()
    for (const name of SIGNALS) process.off(name, interrupt)
  }
}

async function run(view: View, signal: AbortSignal): Promise<boolean> {
  view.tell(process.env['AMQP_URL'] ? 'going to the broker of AMQP_URL' : 'starting a private RabbitMQ node')
  const broker = await startBroker()
  const story = new Story(broker, view, signal)
  try {
    view.begin(() => story.snapshot())
    return await story.run()
  } finally {
    // First of all: a frozen broker does not answer a close.
    await broker.thaw()
    await story.end()
    await broker.stop()
  }
}

/** A picture that is painted over needs a terminal; everything else gets lines. */
function chooseView(): View {
  const { NO_COLOR, CI, TERM } = process.env
  const wantsLines = !process.stdout.isTTY || NO_COLOR || CI || TERM === 'dumb'
  return wantsLines ? new PlainView() : new TerminalView()
}
