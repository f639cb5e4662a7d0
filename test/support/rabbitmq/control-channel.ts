// A fast way to have a node do something: the Erlang VM reads expressions from its standard input, evaluates them, and
// writes the answers to its standard output. One takes about a millisecond, where a run of rabbitmqctl takes over half
// a second, because that starts an Erlang VM of its own.
//
// The same pipe is the first watchdog: when the test process dies, however it dies, the VM reads the end of its input
// and halts. (The second is the reaper, for a VM that is frozen or not yet this far.)
//
// Requests are lines "ID BASE64(expression)", answers lines "thump-control ID ok|error BASE64(text)"; whatever else the
// VM prints lies between them. It knows nothing of RabbitMQ.

import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { within } from './deadline.js'

const MARK = 'thump-control'

/** The answer that the VM gives unasked, when all that its command line named before the loop has started. */
const READY_ID = 'ready'

const OUTPUT_LINES_KEPT = 100

/**
 * The VM's end, an argument of `-eval`. Each expression is evaluated in a process of its own, so that a slow one holds
 * up no other; a binary is answered as it is, any other value as Erlang writes it.
 */
export const CONTROL_LOOP = `
spawn(fun() ->
  Answer = fun(Id, Status, Text) ->
    Encoded = base64:encode(unicode:characters_to_binary(Text)),
    io:put_chars(["\\n${MARK} ", Id, " ", Status, " ", Encoded, "\\n"])
  end,
  Evaluate = fun(Encoded) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(base64:decode(Encoded))),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, []),
    case is_binary(Value) of true -> Value; false -> io_lib:format("~0tp", [Value]) end
  end,
  Loop = fun Loop() ->
    case io:get_line("") of
      Line when is_list(Line) ->
        [Id, Encoded] = string:lexemes(Line, " \\n"),
        spawn(fun() ->
          try Answer(Id, "ok", Evaluate(Encoded))
          catch Class:Reason -> Answer(Id, "error", io_lib:format("~0tp: ~0tp", [Class, Reason]))
          end
        end),
        Loop();
      _ -> erlang:halt(0)
    end
  end,
  Answer("${READY_ID}", "ok", ""),
  Loop()
end).`.replaceAll(/\s+/g, ' ')

interface Waiter {
  readonly resolve: (text: string) => void
  readonly reject: (error: Error) => void
}

export class ControlChannel {
  /** Resolves when the VM has started everything; rejects when it ends before. */
  readonly ready: Promise<string>

  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiters = new Map<string, Waiter>()
  readonly #output: string[] = []
  #lastId = 0
  #ended: Error | undefined

  /** `child`: a VM whose command line has CONTROL_LOOP. */
  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.ready = this.#await(READY_ID)
    this.ready.catch(() => {})
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', line => this.#receiveLine(line))
    }
    child.stdin.on('error', () => {})
    child.once('error', error => this.#end(error))
    // Not "exit": what the VM printed last, which says why, may still be in the pipe then.
    child.once('close', (code, signal) =>
      this.#end(new Error(`the node ended (${signal ?? `code ${code}`})`)),
    )
  }

  /** What the VM printed last: where it says why it does not start. */
  get outputTail(): string {
    return this.#output.join('\n')
  }

  /** Evaluates expressions, the last one's value is the answer; rejects with what they raise, or after `timeoutMs`. */
  evaluate(expressions: string, timeoutMs = 30_000): Promise<string> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const id = String(++this.#lastId)
    const answer = this.#await(id)
    this.#child.stdin.write(`${id} ${Buffer.from(`${expressions}.`).toString('base64')}\n`)
    return within(timeoutMs, `answer to ${expressions}`, answer).finally(() => this.#waiters.delete(id))
  }

  #await(id: string): Promise<string> {
    return new Promise((resolve, reject) => this.#waiters.set(id, { resolve, reject }))
  }

  #receiveLine(line: string): void {
    const [mark, id = '', status, encoded = ''] = line.trim().split(' ')
    if (mark !== MARK) {
      this.#output.push(line)
      if (this.#output.length > OUTPUT_LINES_KEPT) this.#output.shift()
      return
    }
    const text = Buffer.from(encoded, 'base64').toString()
    if (status === 'ok') this.#waiters.get(id)?.resolve(text)
    else this.#waiters.get(id)?.reject(new Error(text))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const waiter of this.#waiters.values()) waiter.reject(error)
    this.#waiters.clear()
  }
}
