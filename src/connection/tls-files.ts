// The files that a URI names for TLS. They are read each time a connection is dialled, so that a certificate that was renewed
// is used by the next connection. An error names the parameter and the file, and nothing of what is in it.

import { readFile } from 'node:fs/promises'
import type { TlsOptions } from './tls-options.js'

/** Paths, by the option of TLS that their content is for. */
export interface TlsFiles {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  /** Without one the key is in the file of the certificate, as RabbitMQ's own clients have it. */
  readonly key?: string | undefined
}

export async function tlsFromFiles({ ca, cert, key = cert }: TlsFiles): Promise<TlsOptions> {
  const [authority, certificate, privateKey] = await Promise.all([
    read('cacertfile', ca),
    read('certfile', cert),
    read(key === cert ? 'certfile' : 'keyfile', key),
  ])
  return {
    ...(authority !== undefined && { ca: authority }),
    ...(certificate !== undefined && { cert: certificate, key: privateKey }),
  }
}

async function read(parameter: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'it cannot be read'
    throw new Error(`the ${parameter} '${path}': ${code}`, { cause })
  }
}
