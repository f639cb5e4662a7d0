// Certificates for tests, made by the openssl command on the spot: an authority, and what it issues for servers and clients.
// Their keys protect nothing and live in memory only. It knows nothing of brokers or sockets.
//
//   const authority = CertificateAuthority.create()
//   const server = authority.issue('localhost', { names: ['DNS:localhost', 'IP:127.0.0.1'] })
//   const client = authority.issue('user')
//   tls.connect({ ca: authority.certificate, cert: client.certificate, key: client.key })

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** In PEM. */
export interface IssuedCertificate {
  readonly certificate: string
  readonly key: string
}

export interface IssueOptions {
  /** Subject alternative names, as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. None by default. */
  readonly names?: readonly string[]
  /** From now; negative for one that has expired. Default 2. */
  readonly days?: number
}

const DEADLINE_MS = 20_000
/** Made in a few milliseconds, where RSA takes half a second. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']

export class CertificateAuthority {
  /** In PEM: what is to be trusted. */
  readonly certificate: string
  readonly #key: string

  private constructor(certificate: string, key: string) {
    this.certificate = certificate
    this.#key = key
  }

  static create(commonName = 'thump tests'): CertificateAuthority {
    return inDirectory(directory => {
      const subject = ['-subj', `/CN=${commonName}`, '-days', '2', '-out', 'certificate.pem']
      openssl(directory, 'req', '-x509', ...NEW_KEY, ...subject)
      return new CertificateAuthority(directory.read('certificate.pem'), directory.read('key.pem'))
    })
  }

  issue(commonName: string, { names = [], days = 2 }: IssueOptions = {}): IssuedCertificate {
    return inDirectory(directory => {
      directory.write('ca.pem', this.certificate)
      directory.write('ca-key.pem', this.#key)
      const alternatives = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`
      directory.write('extensions', `basicConstraints=CA:FALSE\n${alternatives}`)
      openssl(directory, 'req', ...NEW_KEY, '-subj', `/CN=${commonName}`, '-out', 'request.pem')
      const authority = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial']
      const contents = ['-in', 'request.pem', '-extfile', 'extensions', '-days', String(days)]
      openssl(directory, 'x509', '-req', ...contents, ...authority, '-out', 'certificate.pem')
      return { certificate: directory.read('certificate.pem'), key: directory.read('key.pem') }
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
