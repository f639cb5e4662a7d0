// Certificates for tests, made by the openssl command on the spot: an authority, and what it issues for servers and clients.
// Their keys protect nothing and live in memory only. It knows nothing of brokers or sockets.
//
//   const authority = new CertificateAuthority()
//   const server = authority.issue({ names: ['localhost', '127.0.0.1'] })
//   const client = authority.issue({ commonName: 'user' })
//   tls.connect({ ca: authority.cert, ...client })

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface CertificateRequest {
  /** The common name. For a server the first of its names, by default. */
  readonly commonName?: string | undefined
  /** Host names and addresses that a server is known by. None by default: the certificate is a client's. */
  readonly names?: readonly string[] | undefined
}

const DEADLINE_MS = 20_000
const LIFE = ['-days', '2']
/** Made in a few milliseconds, where RSA takes half a second. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']

export class CertificateAuthority {
  /** What those must trust who are to trust what it issues. */
  readonly cert: string
  readonly #key: string

  constructor(commonName = 'thump test authority') {
    const { cert, key } = inDirectory(directory => {
      openssl(
        directory,
        'req',
        '-x509',
        ...NEW_KEY,
        '-subj',
        `/CN=${commonName}`,
        ...LIFE,
        '-out',
        'cert.pem',
      )
      return { cert: directory.read('cert.pem'), key: directory.read('key.pem') }
    })
    this.cert = cert
    this.#key = key
  }

  issue({ names = [], commonName = names[0] ?? 'client' }: CertificateRequest): Identity {
    return inDirectory(directory => {
      directory.write('ca.pem', this.cert)
      directory.write('ca-key.pem', this.#key)
      const known = names.map(name => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`)
      const alternatives = known.length === 0 ? '' : `subjectAltName=${known.join(',')}\n`
      directory.write('extensions', `basicConstraints=CA:FALSE\n${alternatives}`)
      openssl(directory, 'req', ...NEW_KEY, '-subj', `/CN=${commonName}`, '-out', 'request.pem')
      const authority = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial']
      const contents = ['-in', 'request.pem', '-extfile', 'extensions', ...LIFE]
      openssl(directory, 'x509', '-req', ...contents, ...authority, '-out', 'cert.pem')
      return { cert: directory.read('cert.pem'), key: directory.read('key.pem') }
    })
  }
}

interface Directory {
  readonly path: string
  write(name: string, text: string): void
  read(name: string): string
}

/** Gone again when the action is over. */
function inDirectory<T>(action: (directory: Directory) => T): T {
  const path = mkdtempSync(join(tmpdir(), 'thump-certificates-'))
  try {
    return action({
      path,
      write: (name, text) => writeFileSync(join(path, name), text, { mode: 0o600 }),
      read: name => readFileSync(join(path, name), 'utf8'),
    })
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

function openssl(directory: Directory, ...parameters: string[]): void {
  execFileSync('openssl', parameters, { cwd: directory.path, stdio: 'pipe', timeout: DEADLINE_MS })
}
