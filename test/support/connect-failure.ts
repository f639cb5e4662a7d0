// What connect() rejects with, looked at for what must hold of every such error: it names the address, and shows the password
// nowhere.

import { inspect } from 'node:util'
import { ConnectError, type Connection, type ConnectOptions, connect } from '../../src/index.js'
import { rejectionOf } from './rejection.js'

/** Stands in no other text of the tests. All that they keep secret contains `hunter2`: scripts/secrets.js looks for it. */
export const PASSWORD = 'hunter2-πß'

/** Connects with {@link PASSWORD}, which must fail, with an error that names `address`. */
export async function connectFailure(
  port: number,
  options: ConnectOptions = {},
  address = `127.0.0.1:${port}`,
): Promise<ConnectError> {
  const given = { host: '127.0.0.1', port, password: PASSWORD, ...options }
  return checked(await rejectionOf(connect(given), ConnectError), address)
}

/** The error of a connect() that was begun elsewhere. */
export async function failureOf(connecting: Promise<Connection>, address: string): Promise<ConnectError> {
  return checked(await rejectionOf(connecting, ConnectError), address)
}

function checked(error: ConnectError, address: string): ConnectError {
  if (!error.message.includes(address)) throw new Error(`no ${address} in: ${error.message}`)
  expectNoSecret(error)
  return error
}

/** Throws when the password, in any of its forms, is in what can be seen of the value. */
export function expectNoSecret(value: unknown): void {
  const forms = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('hex')]
  forms.push(Buffer.from(PASSWORD).toString('base64'), 'hunter2')
  const shown = [
    inspect(value, {
      depth: Number.POSITIVE_INFINITY,
      showHidden: true,
      maxStringLength: null,
      getters: true,
    }),
    String(value),
    JSON.stringify(value) ?? '',
    value instanceof Error ? value.stack : '',
  ].join('\n')
  for (const form of forms) if (shown.includes(form)) throw new Error(`the password is in: ${shown}`)
}
