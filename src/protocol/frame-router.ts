// Frames to whom they are for: channel 0 is the connection's own, the others are its channels'. What the server may not send
// there ends the connection; what comes while the connection closes is dropped.

import type { ByteReader, WholeContent } from '../frames/index.js'
import type { ChannelDirectory } from './channel-directory.js'
import type { ConnectionLife } from './connection-life.js'
import type { FrameSink } from './inbound.js'
import type { Method } from './method-types.js'
import { METHODS, methodRow } from './methods.js'
import { ReplyCode } from './reply-codes.js'
import { Violation } from './violation.js'

/** Who is asked where a frame belongs. */
export interface RouterParts {
  readonly life: ConnectionLife
  readonly channels: ChannelDirectory
  /** A method for the connection itself, in a state that takes it. */
  receiveMethod(method: Method): void
  /** The first octets are not those of an AMQP 0-9-1 server. */
  receiveForeignGreeting(octets: Buffer): void
}

const CONNECTION_CLASS_ID = METHODS['connection.start'].classId

export class FrameRouter implements FrameSink {
  readonly #parts: RouterParts

  constructor(parts: RouterParts) {
    this.#parts = parts
  }

  get reads(): boolean {
    return this.#parts.life.reads
  }

  receiveForeignGreeting(octets: Buffer): void {
    this.#parts.receiveForeignGreeting(octets)
  }

  receiveWhole(chunk: Buffer, content: WholeContent): boolean {
    return this.#channels?.peek(content.channelNumber)?.receiveWhole(chunk, content) === true
  }

  receiveMethod(channelNumber: number, method: Method): void {
    const { life } = this.#parts
    const row = methodRow(method.name)
    if (row.sender === 'client') {
      throw new Violation(ReplyCode.CommandInvalid, `${method.name} is not for a server to send`, method.name)
    }
    if (channelNumber === 0) {
      if (life.receive(method)) this.#parts.receiveMethod(method)
      return
    }
    const channels = this.#channels
    if (channels === undefined) return
    if (row.classId === CONNECTION_CLASS_ID) {
      throw new Violation(ReplyCode.CommandInvalid, `${method.name} on channel ${channelNumber}`, method.name)
    }
    channels.expect(channelNumber, method.name)?.receiveMethod(method)
  }

  receiveHeader(channelNumber: number, payload: ByteReader): void {
    this.#channels?.expectContent(channelNumber)?.receiveHeader(payload)
  }

  receiveBody(
    channelNumber: number,
    octets: Buffer,
    start: number,
    end: number,
    frameComplete: boolean,
  ): void {
    this.#channels?.expectContent(channelNumber)?.receiveBody(octets, start, end, frameComplete)
  }

  /** The channels, as long as anybody listens to them. */
  get #channels(): ChannelDirectory | undefined {
    return this.#parts.life.state === 'closing' ? undefined : this.#parts.channels
  }
}
