import { X509Certificate } from 'node:crypto'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { within } from '../rabbitmq/deadline.js'
import { CertificateAuthority } from './certificate-authority.js'

describe('CertificateAuthority', () => {
  const authority = new CertificateAuthority('an authority')

  it('signs itself, and what it issues', () => {
    const own = new X509Certificate(authority.cert)
    const issued = new X509Certificate(authority.issue({ names: ['rabbit.test', '127.0.0.1', '::1'] }).cert)
    expect(own.ca).to.equal(true)
    expect(own.verify(own.publicKey)).to.equal(true)
    expect(issued.ca).to.equal(false)
    expect(issued.verify(own.publicKey)).to.equal(true)
    expect(issued.checkIssued(own)).to.equal(true)
    expect(issued).to.include({ subject: 'CN=rabbit.test', issuer: 'CN=an authority' })
    expect(issued.checkHost('rabbit.test')).to.equal('rabbit.test')
    expect([issued.checkIP('127.0.0.1'), issued.checkIP('::1')]).to.deep.equal(['127.0.0.1', '::1'])
    expect(issued.checkHost('other.test')).to.equal(undefined)
  })

  it('writes the dates that it is given', () => {
    const [notBefore, notAfter] = [new Date('2001-02-03T04:05:06Z'), new Date('2101-02-03T04:05:06Z')]
    const { cert } = authority.issue({ commonName: 'ada', notBefore, notAfter })
    const issued = new X509Certificate(cert)
    expect(new Date(issued.validFrom)).to.deep.equal(notBefore)
    expect(new Date(issued.validTo)).to.deep.equal(notAfter)
    expect(issued.subjectAltName).to.equal(undefined)
  })

  it('is trusted by TLS, with a key that has a passphrase', async () => {
    const passphrase = 'open sesame'
    const { cert, key } = authority.issue({ names: ['rabbit.test'], passphrase })
    expect(key).to.include('ENCRYPTED')
    const server = createServer({ cert, key, passphrase }, socket => socket.end('hello'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const client = connect({ host: '127.0.0.1', port, servername: 'rabbit.test', ca: authority.cert })
    const said = new Promise<string>((resolve, reject) => {
      client.on('error', reject).on('data', (chunk: Buffer) => resolve(chunk.toString()))
    })
    expect(await within(5_000, 'a word over TLS', said)).to.equal('hello')
    expect((client as TLSSocket).authorized).to.equal(true)
    client.destroy()
    server.close()
  })
})
