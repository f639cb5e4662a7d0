// The first octets of the server (spec 4.2.2). A server that speaks 0-9-1 begins with Connection.Start, a method frame,
// so with octet 1. Everything else is somebody else, and the first eight octets usually tell who.

const METHOD_FRAME_TYPE = 1
const TLS_ALERT = 0x15
const TLS_HANDSHAKE = 0x16
/** Octets that are looked at: as many as a protocol header has. */
export const GREETING_SIZE = 8

/** Whether the first octet, if there is one yet, is that of a server which goes on in AMQP frames. */
export function isFrame(firstOctet: number | undefined): boolean {
  return firstOctet === METHOD_FRAME_TYPE
}

/** What the server is, if it is not one that speaks AMQP 0-9-1, and what to do about it. */
export function explainGreeting(octets: Buffer): { readonly what: string; readonly hint: string } {
  const text = octets.toString('latin1')
  if (text.startsWith('AMQP') && octets.length === GREETING_SIZE) {
    const [id, major, minor, revision] = octets.subarray(4)
    return {
      what: `the server refused AMQP 0-9-1 and suggests ${major}.${minor}.${revision} (protocol id ${id})`,
      hint: 'it may be an AMQP 1.0 broker, or an old or a much newer RabbitMQ',
    }
  }
  if (text.startsWith('HTTP/')) {
    return {
      what: 'an HTTP server answered',
      hint: 'is this the management port? RabbitMQ speaks AMQP on 5672 by default',
    }
  }
  if (octets[0] === TLS_ALERT || octets[0] === TLS_HANDSHAKE) {
    return { what: 'a TLS server answered', hint: 'connect with TLS: an amqps:// URI, or the tls option' }
  }
  return {
    what: `the server answered with something that is not AMQP (${octets.toString('hex')})`,
    hint: 'check host and port; a TLS port needs an amqps:// URI, or the tls option',
  }
}
