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

const CONNECTION_CLASS_ID = METHODS['connection.start'].classId

export class FrameRouter implements FrameSink {
  readonly #life: ConnectionLife
  readonly #all: ChannelDirectory
  readonly #receiveMethod: (method: Method) => void

  /** @param receiveMethod takes a method for the connection itself, in a state that allows it */
  constructor(life: ConnectionLife, channels: ChannelDirectory, receiveMethod: (method: Method) => void) {
    this.#life = life
    this.#all = channels
    this.#receiveMethod = receiveMethod
  }

  get reads(): boolean {
    return this.#life.reads
  }

  receiveWhole(chunk: Buffer, content: WholeContent): boolean {
    return this.#channels()?.peek(content.channelNumber)?.receiveWhole(chunk, content) === true
  }

  receiveMethod(channelNumber: number, method: Method): void {
    const row = methodRow(method.name)
    if (row.sender === 'client') {
      throw new Violation(ReplyCode.CommandInvalid, `${method.name} is not for a server to send`, method.name)
    }
    if (channelNumber === 0) {
      if (this.#life.receive(method)) this.#receiveMethod(method)
      return
    }
    const channels = this.#channels()
    if (channels === undefined) return
    if (row.classId === CONNECTION_CLASS_ID) {
      throw new Violation(ReplyCode.CommandInvalid, `${method.name} on channel ${channelNumber}`, method.name)
    }
    channels.expect(channelNumber, method.name)?.receiveMethod(method)
  }

  receiveHeader(channelNumber: number, payload: ByteReader): void {
    this.#channels()?.expectContent(channelNumber)?.receiveHeader(payload)
  }

  receiveBody(
    channelNumber: number,
    octets: Buffer,
    start: number,
    end: number,
    frameComplete: boolean,
  ): void {
    this.#channels()?.expectContent(channelNumber)?.receiveBody(octets, start, end, frameComplete)
  }

  placeFor(channelNumber: number, octets: number): Buffer | undefined {
    return this.#channels()?.peek(channelNumber)?.placeFor(octets)
  }

  /** The channels, as long as anybody listens to them. No getter: V8 looks a private one up anew each time. */
  #channels(): ChannelDirectory | undefined {
    return this.#life.state === 'closing' ? undefined : this.#all
  }
}
