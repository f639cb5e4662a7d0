import { expect } from 'chai'
import { dialExpired, dialFailed, refusedAfterTls } from '../../src/connection/dial-failure.js'
import { settle } from '../../src/connection/options.js'
import { ConnectError } from '../../src/index.js'

function systemError(code: string, address: string): Error {
  return Object.assign(new Error(`connect ${code} ${address}:5672`), { code })
}

const settings = settle({ host: 'rabbit.test', connectionName: 'billing', connectTimeout: 99 })

describe('dialFailed', () => {
  it('says what is known of the place, and leads to the cause', () => {
    const cause = systemError('ECONNREFUSED', '10.0.0.1')
    const error = dialFailed(cause, 'tcp', settings)
    expect(error).to.be.instanceOf(ConnectError)
    expect(error).to.include({ phase: 'tcp', cause, connectionName: 'billing' })
    expect(error.message).to.equal(
      'cannot connect to rabbit.test:5672: connect ECONNREFUSED 10.0.0.1:5672 ' +
        '(is RabbitMQ running there, and does it listen on that address and port?)',
    )
  })

  it('says what became of each address', () => {
    const errors = [systemError('ECONNREFUSED', '10.0.0.1'), systemError('ETIMEDOUT', '10.0.0.2')]
    const { message, hint } = dialFailed(new AggregateError(errors), 'tcp', settings)
    for (const each of errors) expect(message).to.include(each.message)
    expect(hint).to.match(/is RabbitMQ running there/)
  })

  it('explains by an address that refuses, rather than by a family that is not there', () => {
    const there = systemError('ECONNREFUSED', '10.0.0.1')
    for (const code of ['ENETUNREACH', 'EADDRNOTAVAIL']) {
      const errors = [systemError(code, '::1'), there]
      expect(dialFailed(new AggregateError(errors), 'tcp', settings).hint).to.match(/is RabbitMQ running/)
    }
    const nowhere = [systemError('ENETUNREACH', '::1'), systemError('ENETUNREACH', '::2')]
    expect(dialFailed(new AggregateError(nowhere), 'tcp', settings).hint).to.match(/no route/)
  })

  it('has no hint for what it does not know', () => {
    for (const phase of ['dns', 'tcp', 'tls'] as const) {
      expect(dialFailed(new Error('strange'), phase, settings).hint).to.equal(undefined)
      expect(dialFailed(systemError('ESTRANGE', '10.0.0.1'), phase, settings).hint).to.equal(undefined)
    }
  })

  it("knows OpenSSL's alerts by their old names and by their new ones", () => {
    for (const code of ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE']) {
      const { hint } = dialFailed(Object.assign(new Error('x'), { code }), 'tls', settings)
      expect(hint).to.equal("the server does not accept the client's certificate")
    }
  })

  it("cuts OpenSSL's places in its sources, and leaves Node's own texts alone", () => {
    const told = (code: string, message: string, reason: string): string => {
      const error = Object.assign(new Error(message), { code, reason })
      return dialFailed(error, 'tls', settings).message
    }
    const source = '40E7:error:0A00010B:SSL routines:wrong version number:../deps/ssl3_record.c:354:\n'
    expect(told('ERR_SSL_WRONG_VERSION_NUMBER', source, 'wrong version number')).to.match(
      /5672: TLS: wrong version number \(there is no TLS/,
    )
    expect(told('EPROTO', source, 'wrong version number')).to.match(/5672: TLS: wrong version number \(/)
    const name = "Host: a. is not in the cert's altnames: DNS:b"
    expect(told('ERR_TLS_CERT_ALTNAME_INVALID', `does not match: ${name}`, name)).to.include(
      `does not match: ${name} (`,
    )
  })
})

describe('dialExpired', () => {
  it('says who has not answered, and why the others have not', () => {
    const tried = { errors: [systemError('ECONNREFUSED', '10.0.0.1')], unanswered: ['10.0.0.2', '::1'] }
    expect(dialExpired('tcp', tried, settings).message).to.equal(
      'cannot connect to rabbit.test:5672: no answer within 99 ms from 10.0.0.2, ::1; ' +
        'connect ECONNREFUSED 10.0.0.1:5672 (nothing answers there: a firewall?)',
    )
  })

  it('has a hint for every phase that can take long', () => {
    const hints = (['dns', 'tcp', 'tls'] as const).map(phase => dialExpired(phase, undefined, settings).hint)
    expect(new Set(hints)).to.have.property('size', 3)
    expect(hints).to.not.include(undefined)
  })
})

describe('refusedAfterTls', () => {
  const silent = (cause?: Error): ConnectError =>
    new ConnectError('silent', 'start', undefined, { cause, localPort: 4711 })

  it('takes an alert for a refusal by TLS, and any other end for a suspicion', () => {
    const alert = Object.assign(new Error('x'), {
      code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      reason: 'tlsv1 alert unknown ca',
    })
    const refused = refusedAfterTls(silent(alert), settings)
    expect(refused).to.include({ phase: 'tls', cause: alert, localPort: 4711, connectionName: 'billing' })
    expect(refused.hint).to.match(/client's certificate: it does not know who issued it/)
    for (const cause of [systemError('ECONNRESET', ''), systemError('EPIPE', ''), undefined]) {
      const suspected = refusedAfterTls(silent(cause), settings)
      expect(suspected).to.include({ phase: 'start', localPort: 4711, connectionName: 'billing' })
      expect(suspected.cause).to.equal(cause)
      expect(suspected.hint).to.match(/right after the TLS handshake.*client certificate/)
    }
  })
})
