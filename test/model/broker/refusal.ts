// The two ways in which a broker says no. A refusal is what an application may run into: it closes the channel with a reply
// code. A broken rule is what no client may ever do, whatever its application asks for; RabbitMQ ends the connection for most of
// them, and this broker throws: it was a test that found something.

export type SoftReplyCode = 403 | 404 | 405 | 406

const NAMES: Readonly<Record<SoftReplyCode, string>> = {
  403: 'ACCESS_REFUSED',
  404: 'NOT_FOUND',
  405: 'RESOURCE_LOCKED',
  406: 'PRECONDITION_FAILED',
}

export class Refusal extends Error {
  readonly replyCode: SoftReplyCode

  constructor(replyCode: SoftReplyCode, text: string) {
    super(`${NAMES[replyCode]} - ${text}`)
    this.replyCode = replyCode
  }
}

export class BrokenRule extends Error {
  override readonly name = 'BrokenRule'
}
