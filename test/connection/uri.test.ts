import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { parseUri, type UriParts } from '../../src/connection/uri.js'
import { ArgumentError } from '../../src/index.js'
import { thrownBy } from '../support/rejection.js'

function refusalOf(uri: string): ArgumentError {
  return thrownBy(() => parseUri(uri), ArgumentError)
}

/** Without the parts that are absent. */
function told(parts: UriParts): UriParts {
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))
}

const anyText = fc.string({ unit: 'binary', maxLength: 40 })

describe('parseUri', () => {
  it('reads every part', () => {
    expect(told(parseUri('amqp://user:secret@rabbit.example:5673/orders?heartbeat=7'))).to.deep.equal({
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
    expect(told(rest)).to.deep.equal({})
  })

  it('tells no path, an empty one and an encoded slash apart', () => {
    expect(parseUri('amqp://h').vhost).to.equal(undefined)
    expect(parseUri('amqp://h/').vhost).to.equal('')
    expect(parseUri('amqp://h/%2F').vhost).to.equal('/')
    expect(parseUri('amqp://h/%2f').vhost).to.equal('/')
    expect(parseUri('amqp://h/a%2Fb').vhost).to.equal('a/b')
  })

  it('takes a username without a password, and a password that is empty', () => {
    expect(parseUri('amqp://user@h')).to.include({ username: 'user', password: undefined })
    expect(parseUri('amqp://user:@h')).to.include({ username: 'user', password: '' })
  })

  it('takes a colon inside the password', () => {
    expect(parseUri('amqp://user:a:b@h')).to.include({ username: 'user', password: 'a:b' })
  })

  it('takes IPv6 addresses, without their brackets', () => {
    expect(parseUri('amqp://[::1]')).to.include({ host: '::1', port: undefined })
    expect(parseUri('amqp://u:p@[fe80::1]:5673/v')).to.include({ host: 'fe80::1', port: 5673, vhost: 'v' })
  })

  /** The specification's own, its Appendix A: what is not in a row is absent. */
  const examples: [uri: string, parts: UriParts][] = [
    [
      'amqp://user:pass@host:10000/vhost',
      { username: 'user', password: 'pass', host: 'host', port: 10_000, vhost: 'vhost' },
    ],
    [
      'amqp://user%61:%61pass@ho%61st:10000/v%2fhost',
      { username: 'usera', password: 'apass', host: 'hoast', port: 10_000, vhost: 'v/host' },
    ],
    ['amqp://', {}],
    ['amqp://:@/', { username: '', password: '', vhost: '' }],
    ['amqp://user@', { username: 'user' }],
    ['amqp://user:pass@', { username: 'user', password: 'pass' }],
    ['amqp://host', { host: 'host' }],
    ['amqp://:10000', { port: 10_000 }],
    ['amqp:///vhost', { vhost: 'vhost' }],
    ['amqp://host/', { host: 'host', vhost: '' }],
    ['amqp://host/%2F', { host: 'host', vhost: '/' }],
    ['amqp://[::1]', { host: '::1' }],
  ]
  for (const [uri, expected] of examples) {
    it(`reads the specification's example ${uri}`, () => {
      expect(told(parseUri(uri))).to.deep.equal(expected)
      const encrypted = parseUri(uri.replace('amqp', 'amqps'))
      expect(told(encrypted)).to.deep.equal({ ...expected, tls: true })
    })
  }

  it('takes the scheme in any case, and knows no other', () => {
    expect(told(parseUri('AMQP://h'))).to.deep.equal({ host: 'h' })
    expect(parseUri('AmqpS://h')).to.include({ host: 'h', tls: true })
    for (const scheme of ['http', 'amqpss', 'mqtt', 'amqp+ssl']) {
      expect(refusalOf(`${scheme}://h`).message).to.equal('uri must begin with amqp:// or amqps://')
    }
  })

  it('takes every octet of a path and a userinfo that is encoded, and what needs no encoding', () => {
    const octets = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join('')
    const encoded = [...Buffer.from(octets)].map(code => `%${code.toString(16).padStart(2, '0')}`).join('')
    expect(parseUri(`amqp://${encoded}:${encoded}@h/${encoded}`)).to.include({
      username: octets,
      password: octets,
      vhost: octets,
    })
    expect(parseUri('amqp://größe:パス@h/ä b')).to.include({
      username: 'größe',
      password: 'パス',
      vhost: 'ä b',
    })
  })

  it('takes the zone of an IPv6 address', () => {
    expect(parseUri('amqp://[fe80::1%25eth0]:5672').host).to.equal('fe80::1%eth0')
  })

  it('refuses brackets around what is no address, an address without brackets, and a port that is none', () => {
    expect(refusalOf('amqp://[rabbit]').message).to.match(/brackets around what is no IPv6 address/)
    expect(refusalOf('amqp://::1').message).to.match(/amqp:\/\/\[::1\]/)
    for (const port of ['0', '65536', '123456', 'x', '-1', '+5', ' 5']) {
      expect(refusalOf(`amqp://h:${port}`).message, port).to.match(/port that is no number from 1 to 65535/)
    }
    expect(parseUri('amqp://h:').port).to.equal(undefined)
  })

  it('refuses white space around it, which a file or a shell has left there, and in the host', () => {
    for (const uri of [' amqp://h', 'amqp://h ', 'amqp://h\n', 'amqp://u:p@h/v\r\n']) {
      expect(refusalOf(uri).message).to.equal('uri begins or ends with white space')
    }
    for (const host of ['a b', 'a%0ab', 'a%00', 'a\tb']) {
      expect(refusalOf(`amqp://u:p@${host}:1`).message).to.match(/host with white space or control/)
    }
  })

  it('refuses what is no string', () => {
    for (const value of [undefined, null, 5, {}, new URL('amqp://h')]) {
      expect(refusalOf(value as string).message).to.match(/^uri must be a string, not /)
    }
  })

  it('refuses what is no URI at all', () => {
    for (const text of [
      '',
      'h',
      'localhost:5672',
      '//h',
      'amqp:h',
      'amqp:/h',
      'amqp://h:port',
      'amqp://[::1',
    ]) {
      const error = refusalOf(text)
      expect(error.path).to.equal('uri')
      expect(error.message).to.match(/amqp:\/\//)
    }
  })

  it('refuses a virtual host with an unencoded slash', () => {
    expect(refusalOf('amqp://h/a/b').message).to.match(/'\/' inside the virtual host: write it as %2F/)
  })

  it("refuses a '%' that begins no escape, and says of what", () => {
    expect(refusalOf('amqp://h%/v').message).to.match(/host.*%25/)
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

  it("refuses an '@' behind the host, where a part of the password may stand", () => {
    const { message } = refusalOf('amqp://user:p@ss/w0rd@host')
    expect(message).to.include("'@'").and.to.include('%40').and.to.include('%2F')
    expect(message).to.not.include('ss/').and.to.not.include('w0rd')
  })

  it("refuses an unencoded '#' wherever it stands", () => {
    for (const uri of ['amqp://h#f', 'amqp://h/v#f', 'amqp://h?heartbeat=5#f', 'amqp://h#']) {
      expect(refusalOf(uri).message).to.include("'#': write it as %23")
    }
  })

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
      fc.property(secret, rest, fc.constantFrom('amqp', 'amqps', 'http'), (password, tail, scheme) => {
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
