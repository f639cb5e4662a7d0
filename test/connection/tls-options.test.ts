import type { PeerCertificate } from 'node:tls'
import { expect } from 'chai'
import { joinTls, type TlsOption, type TlsOptions, tlsFor } from '../../src/connection/tls-options.js'
import { ArgumentError } from '../../src/index.js'
import { CertificateAuthority } from '../support/certificates/certificate-authority.js'
import { rejectionOf } from '../support/rejection.js'

async function joined(
  uri: TlsOption | undefined,
  option: TlsOption | undefined,
): Promise<TlsOptions | 'none'> {
  const source = joinTls(uri, option)
  return source === undefined ? 'none' : source()
}

describe('joinTls', () => {
  const uri = async () => ({ ca: 'uri', servername: 'uri' })

  it('is for TLS when the URI or the option asks for it', async () => {
    expect(await joined(undefined, undefined)).to.equal('none')
    expect(await joined(undefined, false)).to.equal('none')
    for (const given of [true, {}, () => ({})]) {
      expect(await joined(given, undefined)).to.deep.equal({})
      expect(await joined(undefined, given)).to.deep.equal({})
    }
  })

  it("puts the option's keys before the URI's, one by one", async () => {
    expect(await joined(uri, { ca: 'option' })).to.deep.equal({ ca: 'option', servername: 'uri' })
    expect(await joined(uri, () => ({ ca: 'option' }))).to.deep.equal({ ca: 'option', servername: 'uri' })
    expect(await joined(uri, { ca: undefined })).to.deep.equal({ ca: 'uri', servername: 'uri' })
    expect(await joined(uri, true)).to.deep.equal({ ca: 'uri', servername: 'uri' })
  })

  it('asks a function each time, and waits for it', async () => {
    let asked = 0
    const source = joinTls(undefined, async () => ({ ca: `${++asked}` }))
    expect([await source?.(), await source?.()]).to.deep.equal([{ ca: '1' }, { ca: '2' }])
  })

  it('refuses what a function gives as it does what is given', async () => {
    for (const given of [undefined, null, 'ca', ['ca'], { host: 'h' }, { session: 5 }]) {
      const error = await rejectionOf(
        joined(undefined, () => given as TlsOptions),
        ArgumentError,
      )
      expect(error.path).to.match(/^options\.tls\(\)/)
    }
  })
})

describe('tlsFor', () => {
  const authority = new CertificateAuthority()

  async function checked(
    host: string,
    options: TlsOptions,
    certificateOf: string,
  ): Promise<Error | undefined> {
    const { checkServerIdentity } = await tlsFor(host, async () => options)
    const certificate = { subjectaltname: `DNS:${certificateOf}`, subject: {} } as PeerCertificate
    // What Node would check by: the address that the socket goes to.
    return checkServerIdentity?.('192.0.2.1', certificate)
  }

  it('names the host to the server, and nobody where the host is an address', async () => {
    expect((await tlsFor('rabbit.test', async () => ({}))).servername).to.equal('rabbit.test')
    expect((await tlsFor('127.0.0.1', async () => ({}))).servername).to.equal('')
    expect((await tlsFor('::1', async () => ({}))).servername).to.equal('')
    expect((await tlsFor('127.0.0.1', async () => ({ servername: 'a' }))).servername).to.equal('a')
  })

  it('has the certificate checked by that name, or by the host', async () => {
    expect(await checked('rabbit.test', {}, 'rabbit.test')).to.equal(undefined)
    expect(await checked('rabbit.test', {}, 'other.test')).to.be.instanceOf(Error)
    expect(await checked('rabbit.test', { servername: '' }, 'rabbit.test')).to.equal(undefined)
    expect(await checked('rabbit.test', { servername: 'other.test' }, 'other.test')).to.equal(undefined)
    expect(await checked('rabbit.test', { servername: 'other.test' }, 'rabbit.test')).to.be.instanceOf(Error)
  })

  it("lets the application's own check judge", async () => {
    const names: string[] = []
    const checkServerIdentity = (name: string): undefined => void names.push(name)
    expect(await checked('rabbit.test', { checkServerIdentity }, 'whatever')).to.equal(undefined)
    expect(names).to.deep.equal(['rabbit.test'])
  })

  it('parses certificates and keys before anything is dialled, and leaves a context that is given alone', async () => {
    const { cert, key } = authority.issue({ commonName: 'ada' })
    const other = authority.issue({ commonName: 'bob' })
    const { secureContext } = await tlsFor('h', async () => ({ cert, key }))
    expect(secureContext).to.not.equal(undefined)
    const given = await tlsFor('h', async () => ({ secureContext }))
    expect(given.secureContext).to.equal(secureContext)
    const error = await rejectionOf(
      tlsFor('h', async () => ({ cert, key: other.key })),
      Error,
    )
    expect(error).to.include({ code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' })
  })
})
