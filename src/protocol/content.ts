// A content: the header and body that follow some methods (spec 4.2.6). The property octets are kept as they came
// (copied out of the receive buffer) and built into an object when somebody first reads them.

import { type MessageProperties, readProperties } from './properties.js'

export class Content {
  readonly body: Buffer
  /** Flags and property list as on the wire: two publishes are the same message if these and the body are equal. */
  readonly propertyOctets: Buffer
  #properties: MessageProperties | undefined

  constructor(propertyOctets: Buffer, body: Buffer) {
    this.propertyOctets = propertyOctets
    this.body = body
  }

  get properties(): MessageProperties {
    this.#properties ??= readProperties(this.propertyOctets)
    return this.#properties
  }

  /**
   * Whether it comes from a stream, by the header that RabbitMQ adds. A stream keeps its messages: nothing of it can be given
   * back, and RabbitMQ 3.10 ends the connection (540) that tries.
   */
  get isFromStream(): boolean {
    return this.properties.headers?.['x-stream-offset'] !== undefined
  }
}

/** Class id of the only class with contents, basic. It stands in every content header. */
export const CONTENT_CLASS_ID = 60
