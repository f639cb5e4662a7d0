// Plugins that the server was shipped with, brought into a node that runs: code, applications and boot steps, which is what
// enabling one does. A private node does not have them in its code path, because that makes its start slow.

import type { RabbitMqNode } from './rabbitmq-node.js'

/** Adds the shipped applications of these names to the node's code, starts the last one, and runs its boot steps. */
export async function startPlugin(node: RabbitMqNode, ...applications: readonly string[]): Promise<void> {
  await node.evaluate(
    `Rabbit = case file:read_link(code:lib_dir(rabbit)) of {ok, Path} -> Path; _ -> code:lib_dir(rabbit) end,
     [begin
        [Ebin | _] = filelib:wildcard(filename:join([filename:dirname(Rabbit), Name ++ "-*", "ebin"])),
        code:add_pathz(Ebin)
      end || Name <- [${applications.map(name => `"${name}"`).join(', ')}]],
     {ok, _} = application:ensure_all_started(${applications.at(-1)}),
     rabbit_boot_steps:run_boot_steps([${applications.at(-1)}])`,
  )
}

/** Sets what rabbitmq.conf would have set, for a node that runs; connections read it as they begin. A term of Erlang's. */
export async function configure(
  node: RabbitMqNode,
  application: string,
  key: string,
  term: string,
): Promise<void> {
  await node.evaluate(`application:set_env(${application}, ${key}, ${term})`)
}
