// A TLS listener of RabbitMQ's own, on a node that runs. Certificates and keys are handed over in its control channel, so the
// node needs no files. A client's certificate is asked for, and looked at when it sends one. (The mechanism EXTERNAL looks at
// the settings of the node, and not at those of the listener, before it believes a certificate.)

import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { CertificateAuthority, Identity } from '../certificates.js'
import { freePort } from './free-port.js'
import type { RabbitMqNode } from './rabbitmq-node.js'

/** Listens on a port of 127.0.0.1 until the node stops; resolves with the port. */
export async function startTlsListener(
  node: RabbitMqNode,
  authority: CertificateAuthority,
  { cert, key }: Identity,
): Promise<number> {
  const port = await freePort()
  const privateKey = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' })
  await node.evaluate(
    `Options = [
       {cert, ${octets(new X509Certificate(cert).raw)}},
       {key, {'PrivateKeyInfo', ${octets(privateKey)}}},
       {cacerts, [${octets(new X509Certificate(authority.cert).raw)}]},
       {verify, verify_peer}, {fail_if_no_peer_cert, false}],
     application:set_env(rabbit, ssl_options, Options),
     rabbit_networking:start_ssl_listener({"127.0.0.1", ${port}}, Options, 1)`,
  )
  return port
}

function octets(value: Buffer): string {
  return `base64:decode("${value.toString('base64')}")`
}
