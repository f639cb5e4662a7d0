// Virtual hosts for programs of the documentation: none sees the queues of another.

import type { RabbitMqNode } from '../../support/rabbitmq/index.js'

/** Makes a virtual host in which `guest` may do everything. */
export async function addVirtualHost(node: RabbitMqNode, name: string): Promise<void> {
  await node.evaluate(`rabbit_vhost:add(<<"${name}">>, <<"test">>),
    rabbit_auth_backend_internal:set_permissions(
      <<"guest">>, <<"${name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`)
}

/** Deletes it, with all that is in it. */
export async function deleteVirtualHost(node: RabbitMqNode, name: string): Promise<void> {
  await node.evaluate(`rabbit_vhost:delete(<<"${name}">>, <<"test">>)`)
}
