// The listener with TLS of a private node: an authority of the node's own, which issues the node's certificate and those of
// the clients that a test wants it to know. All of it goes with the node.

import { CertificateAuthority, type Identity } from '../certificates/certificate-authority.js'
import { freePort } from './free-port.js'
import type { NodeDirectory } from './node-directory.js'
import type { TlsListener } from './node-launcher.js'

/** What the node's certificate is for. */
const NAMES = ['localhost', '127.0.0.1', '::1']

export class NodeTls implements TlsListener {
  readonly port: number
  readonly authority = new CertificateAuthority()
  readonly cacertfile: string
  readonly certfile: string
  readonly keyfile: string

  static async create(directory: NodeDirectory): Promise<NodeTls> {
    return new NodeTls(directory, await freePort())
  }

  private constructor(directory: NodeDirectory, port: number) {
    this.port = port
    const { cert, key } = this.authority.issue({ names: NAMES })
    // A server in a container is another user than the one who writes the files.
    const write = (name: string, text: string): string => directory.write(name, text, 0o644)
    this.cacertfile = write('ca.pem', this.authority.cert)
    this.certfile = write('cert.pem', cert)
    this.keyfile = write('key.pem', key)
  }

  /** A URL of the listener, with the name that the certificate has and the address that it listens on. */
  get url(): string {
    return `amqps://guest:guest@localhost:${this.port}`
  }

  /** A certificate that the node accepts from a client. */
  issueClient(commonName: string, options: { passphrase?: string } = {}): Identity {
    return this.authority.issue({ commonName, ...options })
  }
}
