import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect } from 'chai'
import type { TlsOptions } from '../../src/connection/tls-options.js'
import { parseQuery } from '../../src/connection/uri-query.js'
import { ArgumentError } from '../../src/index.js'
import { rejectionOf, thrownBy } from '../support/rejection.js'

function refusalOf(query: string, isEncrypted = true): string {
  const error = thrownBy(() => parseQuery(query, isEncrypted), ArgumentError)
  expect(error.path).to.equal('uri')
  return error.message
}

/** What the URI has TLS given, when a connection is dialled. */
async function tlsOf(query: string): Promise<TlsOptions> {
  const { tls } = parseQuery(query, true)
  if (typeof tls !== 'function') throw new Error(`it is ${inspect(tls)}`)
  return tls()
}

describe('parseQuery', () => {
  it("reads RabbitMQ's parameters", () => {
    const numbers = 'heartbeat=5&frame_max=8192&channel_max=10&connection_timeout=1500&max_message_size=99'
    expect(parseQuery(`${numbers}&connection_name=a%20b`, false)).to.deep.equal({
      heartbeat: 5,
      frameMax: 8192,
      channelMax: 10,
      connectTimeout: 1500,
      maxMessageSize: 99,
      connectionName: 'a b',
    })
    expect(parseQuery('', false)).to.deep.equal({})
    expect(parseQuery('', true)).to.deep.equal({ tls: true })
  })

  it('decodes names and values as forms are encoded', () => {
    expect(parseQuery('connection%5Fname=a+b%2Bc%3D%26=d', false)).to.deep.equal({
      connectionName: 'a b+c=&=d',
    })
    expect(parseQuery('&heartbeat=1&', false)).to.deep.equal({ heartbeat: 1 })
    expect(refusalOf('connection_name=100%')).to.match(/%25/)
  })

  it('refuses a parameter that nobody knows, without saying it, and one that is there twice', () => {
    expect(refusalOf('heartbeet=5')).to.match(/^uri has an unknown query parameter; known are heartbeat, /)
    expect(refusalOf('secret')).to.not.include('secret')
    expect(refusalOf('__proto__=1')).to.match(/unknown/)
    expect(refusalOf('heartbeat=5&heartbeat=5')).to.equal('uri has the same query parameter twice')
  })

  it('refuses what is no whole number', () => {
    for (const value of ['', 'x', '-1', '1.5', '1e3', '0x10', '١']) {
      expect(refusalOf(`heartbeat=${value}`)).to.equal('uri has a heartbeat that is not a whole number')
    }
  })

  it('reads the mechanisms in their order, in any case', () => {
    expect(parseQuery('auth_mechanism=external&heartbeat=1&auth_mechanism=Plain', true).auth).to.deep.equal([
      'EXTERNAL',
      'PLAIN',
    ])
    expect(parseQuery('auth_mechanism=AMQPLAIN', false).auth).to.deep.equal(['AMQPLAIN'])
    expect(refusalOf('auth_mechanism=GSSAPI')).to.match(/none of PLAIN, AMQPLAIN, EXTERNAL$/)
    expect(refusalOf('auth_mechanism=')).to.match(/none of/)
  })

  it('refuses parameters of TLS where there is none: they would have no effect', () => {
    for (const query of ['cacertfile=c', 'verify=verify_peer', 'server_name_indication=h', 'password=p']) {
      expect(refusalOf(query, false)).to.match(/^uri has the query parameter \w+, which needs amqps:\/\/$/)
    }
  })

  it('reads whether the server is verified, and by which name', async () => {
    expect(await tlsOf('verify=verify_none')).to.deep.equal({ rejectUnauthorized: false })
    expect(await tlsOf('verify=verify_peer')).to.deep.equal({})
    expect(await tlsOf('server_name_indication=rabbit.test')).to.deep.equal({ servername: 'rabbit.test' })
    expect(await tlsOf('server_name_indication=disable')).to.deep.equal({ servername: '' })
    expect(refusalOf('verify=none')).to.equal('uri has a verify that is none of verify_peer, verify_none')
  })

  it("takes a server's parameter that stands in URIs for RabbitMQ's own clients, and does nothing with it", async () => {
    expect(await tlsOf('fail_if_no_peer_cert=true')).to.deep.equal({})
    expect(refusalOf('fail_if_no_peer_cert=yes')).to.match(/none of true, false/)
  })

  it('shows the passphrase of the key to nobody but TLS', async () => {
    const parts = parseQuery('verify=verify_peer&password=hunter2', true)
    expect(inspect(parts, { depth: Number.POSITIVE_INFINITY, showHidden: true })).to.not.include('hunter2')
    expect(await tlsOf('password=hunter2')).to.deep.equal({ passphrase: 'hunter2' })
  })

  describe('with files', () => {
    let folder: string

    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'thump-uri-'))
    })

    after(() => rmSync(folder, { recursive: true }))

    function file(name: string, text: string): string {
      writeFileSync(join(folder, name), text)
      return encodeURIComponent(join(folder, name))
    }

    it('reads them each time it is asked', async () => {
      const query = `cacertfile=${file('ca', 'A')}&certfile=${file('cert', 'B')}&keyfile=${file('key', 'C')}`
      const read = async () => {
        const { ca, cert, key } = await tlsOf(query)
        return [ca, cert, key].map(String)
      }
      expect(await read()).to.deep.equal(['A', 'B', 'C'])
      file('cert', 'new')
      expect(await read()).to.deep.equal(['A', 'new', 'C'])
    })

    it('finds the key in the file of the certificate when it is told no other', async () => {
      const { cert, key } = await tlsOf(`certfile=${file('both', 'cert and key')}`)
      expect([cert, key].map(String)).to.deep.equal(['cert and key', 'cert and key'])
      expect(refusalOf('keyfile=k')).to.equal('uri has a keyfile and no certfile')
    })

    it('names the parameter and the file when one cannot be read', async () => {
      const missing = join(folder, 'no such file')
      const [here, there] = [file('here', 'text'), encodeURIComponent(missing)]
      const rows: [query: string, parameter: string][] = [
        [`cacertfile=${there}`, 'cacertfile'],
        [`certfile=${there}&keyfile=${here}`, 'certfile'],
        [`certfile=${here}&keyfile=${there}`, 'keyfile'],
        [`certfile=${there}`, 'certfile'],
      ]
      for (const [query, parameter] of rows) {
        const error = await rejectionOf(tlsOf(`${query}&password=hunter2`), Error)
        expect(error.message).to.equal(`the ${parameter} '${missing}': ENOENT`)
        expect(error.cause).to.include({ code: 'ENOENT' })
        expect(inspect(error)).to.not.include('hunter2')
      }
      expect((await rejectionOf(tlsOf('cacertfile=a%00b'), Error)).message).to.include('cacertfile')
    })
  })
})
