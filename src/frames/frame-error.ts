// What the peer did wrong, at the level of octets. The protocol layer makes a Connection.Close of it.

/** 501 frame-error: octets that make no frame or end too soon. 502 syntax-error: an illegal value. */
export type FrameErrorReplyCode = 501 | 502

/**
 * The peer sent octets that cannot be decoded: the only error that decoding throws.
 * `replyCode` is what a Connection.Close about it must carry.
 */
export class FrameError extends Error {
  readonly replyCode: FrameErrorReplyCode

  constructor(replyCode: FrameErrorReplyCode, message: string) {
    super(message)
    this.replyCode = replyCode
  }

  override get name(): string {
    return 'FrameError'
  }
}
