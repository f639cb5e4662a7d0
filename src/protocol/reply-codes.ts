// Reply codes (spec 1.2 "constants"; RabbitMQ adds none) and what each class of them costs: a soft error ends the
// channel, a hard one the connection. 312 and 313 only ever come in basic.return. And the text that goes with a code.

export const ReplyCode = Object.freeze({
  ReplySuccess: 200,
  ContentTooLarge: 311,
  NoRoute: 312,
  NoConsumers: 313,
  ConnectionForced: 320,
  InvalidPath: 402,
  AccessRefused: 403,
  NotFound: 404,
  ResourceLocked: 405,
  PreconditionFailed: 406,
  FrameError: 501,
  SyntaxError: 502,
  CommandInvalid: 503,
  ChannelError: 504,
  UnexpectedFrame: 505,
  ResourceError: 506,
  NotAllowed: 530,
  NotImplemented: 540,
  InternalError: 541,
} as const)
export type ReplyCode = (typeof ReplyCode)[keyof typeof ReplyCode]

const NAMES = new Map<number, string>(
  Object.entries(ReplyCode).map(([name, code]) => [
    code,
    name.replace(/(?<=[a-z])[A-Z]/g, '_$&').toUpperCase(),
  ]),
)

/** The specification's name of a reply code (`NOT_FOUND`), or `REPLY_CODE_<n>` for one it does not have. */
export function replyCodeName(replyCode: number): string {
  return NAMES.get(replyCode) ?? `REPLY_CODE_${replyCode}`
}

/** Characters of a reply text, so that it fits a short string whatever they are. */
const REPLY_TEXT_LIMIT = 80

/** A reply text that can be sent: cut where it is too long, and not inside a character, for half of one has no UTF-8. */
export function cutReplyText(text: string): string {
  return text.slice(0, REPLY_TEXT_LIMIT).replace(/\p{Surrogate}/gu, '\ufffd')
}
