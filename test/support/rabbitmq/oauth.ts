// OAuth 2 at a private node: the plugin that takes signed tokens (JWT, RFC 7519) for passwords, and whoever issues them.

import { createHmac, randomBytes } from 'node:crypto'
import { configure, startPlugin } from './plugins.js'
import type { RabbitMqNode } from './rabbitmq-node.js'

const AUDIENCE = 'rabbitmq'
const KEY = 'thump'
const SCOPES = ['configure', 'read', 'write'].map(right => `${AUDIENCE}.${right}:*/*`)

export class TokenIssuer {
  readonly #secret = randomBytes(32)

  /** From here on the node takes this issuer's tokens too. */
  static async start(node: RabbitMqNode): Promise<TokenIssuer> {
    const issuer = new TokenIssuer()
    const plugin = 'rabbitmq_auth_backend_oauth2'
    const needed = Number.parseInt(node.version, 10) < 4 ? [] : ['oauth2_client']
    await startPlugin(node, 'base64url', 'cowlib', 'jose', ...needed, plugin)
    const key = `{map, #{<<"kty">> => <<"oct">>, <<"k">> => <<"${issuer.#secret.toString('base64url')}">>}}`
    await configure(node, plugin, 'resource_server_id', `<<"${AUDIENCE}">>`)
    await configure(
      node,
      plugin,
      'key_config',
      `[{default_key, <<"${KEY}">>}, {signing_keys, #{<<"${KEY}">> => ${key}}}]`,
    )
    const backends = '[rabbit_auth_backend_internal, rabbit_auth_backend_oauth2]'
    await configure(node, 'rabbit', 'auth_backends', backends)
    return issuer
  }

  /** A token that is good until then, to the second, for everything in every virtual host. */
  token(expiresAt: Date): string {
    const header = { alg: 'HS256', typ: 'JWT', kid: KEY }
    const exp = Math.floor(expiresAt.getTime() / 1000)
    const claims = {
      sub: 'token bearer',
      aud: [AUDIENCE],
      scope: SCOPES,
      exp,
      jti: `hunter2 ${randomBytes(8).toString('hex')}`,
    }
    const signed = [header, claims]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    return `${signed}.${createHmac('sha256', this.#secret).update(signed).digest('base64url')}`
  }
}
