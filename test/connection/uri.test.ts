import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { parseUri } from '../../src/connection/uri.js'
import { ArgumentError } from '../../src/index.js'
import { thrownBy } from '../support/rejection.js'

function refusalOf(uri: string): ArgumentError {
  return thrownBy(() => parseUri(uri), ArgumentError)
}

const anyText = fc.string({ unit: 'binary', maxLength: 40 })

describe('parseUri', () => {
  it('reads every part', () => {
    expect(parseUri('amqp://user:secret@rabbit.example:5673/orders?heartbeat=7')).to.deep.equal({
      host: 'rabbit.example',
      port: 5673,
      username: 'user',
      password: 'secret',
      vhost: 'orders',
      heartbeat: 7,
    })
  })

  it('gives back any username, password and virtual host that was percent-encoded', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, (username, password, vhost) => {
        fc.pre(username !== '')
        const [user, word, path] = [username, password, vhost].map(encodeURIComponent)
        const parts = parseUri(`amqp://${user}:${word}@host/${path}`)
        expect(parts).to.include({ host: 'host', username, password, vhost })
      }),
    )
  })

  it('leaves absent what the URI leaves out', () => {
    const { host, ...rest } = parseUri('amqp://h')
    expect(host).to.equal('h')
    expect(Object.values(rest).filter(part => part !== undefined)).to.deep.equal([])
  })

  it('tells no path, an empty one and an encoded slash apart', () => {
    expect(parseUri('amqp://h').vhost).to.equal(undefined)
    expect(parseUri('amqp://h/').vhost).to.equal('')
    expect(parseUri('amqp://h/%2F').vhost).to.equal('/')
    expect(parseUri('amqp://h/%2f').vhost).to.equal('/')
    expect(parseUri('amqp://h/a%2Fb').vhost).to.equal('a/b')
  })

  it('takes a username without a password, and a password that is empty', () => {
    expect(parseUri('amqp://user@h')).to.include({ username: 'user', password: '' })
    expect(parseUri('amqp://user:@h')).to.include({ username: 'user', password: '' })
  })

  it('takes a colon inside the password', () => {
    expect(parseUri('amqp://user:a:b@h')).to.include({ username: 'user', password: 'a:b' })
  })

  it('takes IPv6 addresses, without their brackets', () => {
    expect(parseUri('amqp://[::1]')).to.include({ host: '::1', port: undefined })
    expect(parseUri('amqp://u:p@[fe80::1]:5673/v')).to.include({ host: 'fe80::1', port: 5673, vhost: 'v' })
  })

  it("reads RabbitMQ's query parameters", () => {
    const query = 'heartbeat=5&frame_max=8192&channel_max=10&connection_timeout=1500&connection_name=a%20b'
    expect(parseUri(`amqp://h?${query}`)).to.include({
      heartbeat: 5,
      frameMax: 8192,
      channelMax: 10,
      connectTimeout: 1500,
      connectionName: 'a b',
    })
  })

  it('refuses a query parameter that nobody knows, and one that is no number', () => {
    expect(refusalOf('amqp://h?heartbeet=5').message).to.match(
      /unknown query parameter.*heartbeat, frame_max/,
    )
    for (const value of ['', 'x', '-1', '1.5', '1e3', '0x10']) {
      expect(refusalOf(`amqp://h?heartbeat=${value}`).message).to.match(
        /heartbeat that is not a whole number/,
      )
    }
  })

  it('refuses other schemes, and says what to do for TLS', () => {
    expect(refusalOf('http://h').message).to.equal('uri must begin with amqp://')
    expect(refusalOf('amqps://h').message).to.match(/TLS.*stream.*node:tls/)
  })

  it('refuses what is no URI at all', () => {
    for (const text of ['', 'h', 'localhost:5672', '//h', 'amqp://h:port', 'amqp://[::1', 'amqp://h:70000']) {
      const error = refusalOf(text)
      expect(error.path).to.equal('uri')
      expect(error.message).to.match(/amqp:\/\//)
    }
  })

  it('refuses a virtual host with an unencoded slash', () => {
    expect(refusalOf('amqp://h/a/b').message).to.match(/'\/' inside the virtual host: write it as %2F/)
  })

  it("refuses a '%' that begins no escape, and says of what", () => {
    expect(refusalOf('amqp://u%:p@h').message).to.match(/username.*%25/)
    expect(refusalOf('amqp://u:100%@h').message).to.match(/password.*%25/)
    expect(refusalOf('amqp://h/%zz').message).to.match(/virtual host.*%25/)
  })

  const escapes = { '@': '%40', '#': '%23', '/': '%2F', '?': '%3F' }
  for (const [character, escaped] of Object.entries(escapes)) {
    it(`refuses an unencoded '${character}' in username and password, and says to write ${escaped}`, () => {
      for (const userinfo of [`us${character}er:word`, `user:12${character}34`, `user:${character}`]) {
        for (const rest of ['@host', '@host:5672/v', '@host?heartbeat=5']) {
          const { message } = refusalOf(`amqp://${userinfo}${rest}`)
          expect(message, userinfo).to.include(`'${character}'`).and.to.include(`write it as ${escaped}`)
        }
      }
    })
  }

  it('takes the other characters that people put into passwords as they are', () => {
    const password = "a$b!c&d*e(f)g;h=i,j+k'l~m^n|o[p]q{r}s<t>u`v"
    expect(parseUri(`amqp://user:${password}@h`)).to.include({ username: 'user', password, host: 'h' })
  })

  it("takes an '@' that is encoded, or that stands behind complete credentials", () => {
    expect(parseUri('amqp://u%40x:p%40@h/v%40')).to.include({ username: 'u@x', password: 'p@', vhost: 'v@' })
    expect(parseUri('amqp://u:p@h/?connection_name=me@here').connectionName).to.equal('me@here')
  })

  it('never prints a password, whatever is wrong with the URI', () => {
    const secret = fc.string({ unit: fc.constantFrom(...'SECRET@#/?[]%:& '), minLength: 6, maxLength: 12 })
    const rest = fc.constantFrom('@h', '@h:x', '@h/a/b', '@h?a=1', '@h#f', '', '/', '@', ':', '@[::1')
    fc.assert(
      fc.property(secret, rest, fc.constantFrom('amqp', 'http'), (password, tail, scheme) => {
        fc.pre(password.trim() === password)
        try {
          parseUri(`${scheme}://user:${password}${tail}`)
        } catch (error) {
          expect(inspect(error)).to.not.include(password)
          expect(Object.values(error as object).join()).to.not.include(password)
          for (const part of password.match(/[SECRT]{2,}/g) ?? []) {
            expect((error as Error).message).to.not.include(part)
          }
        }
      }),
    )
  })
})
