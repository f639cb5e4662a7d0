// Authentication mechanisms (spec 2.2.4, RFC 4616): what Start-Ok and Secure-Ok carry. A mechanism is asked for its
// first response, and again for each challenge. RabbitMQ's PLAIN wants an empty authorization identity.

/** A SASL mechanism: an object of this shape can be given as the `auth` option. */
export interface AuthMechanism {
  /** Its name in Connection.Start's list, for instance `PLAIN`. */
  readonly mechanism: string
  /** The response that goes with Start-Ok. */
  initialResponse(): Uint8Array
  /** The answer to a Connection.Secure. Absent: the mechanism expects none. */
  answer?(challenge: Uint8Array): Uint8Array
}

/** PLAIN (RFC 4616). The password is in no property of the result, so that inspecting it shows nothing. */
export function plain(username: string, password: string): AuthMechanism {
  return {
    mechanism: 'PLAIN',
    initialResponse: () => Buffer.from(`\0${username}\0${password}`),
  }
}
