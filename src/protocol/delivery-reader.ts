// Deliveries whose frames come whole and one behind the other, which nearly all small ones do: read in one pass, without the
// method, assembler and router that take frames one by one. Names that are those of the delivery before, as they mostly are,
// are not read anew. It builds nothing and throws nothing: what is not as usual it leaves to the way frame by frame, where
// what is wrong is found and told once.

import { ByteReader, type WholeContent } from '../frames/index.js'
import { CONTENT_CLASS_ID } from './content.js'
import { METHODS } from './methods.js'
import { NO_PROPERTIES, skipProperties } from './properties.js'

const { classId, methodId } = METHODS['basic.deliver']
const DELIVER_ID = (classId << 16) | methodId
const CLASS_AND_NO_WEIGHT = CONTENT_CLASS_ID << 16

/** For all channels: it is reset for each delivery. */
const READER = new ByteReader()

export class DeliveryReader {
  consumerTag = ''
  deliveryTag = 0
  redelivered = false
  exchange = ''
  routingKey = ''
  /** Flags and property list, kept for as long as somebody wants them. */
  propertyOctets: Buffer = NO_PROPERTIES

  /** Whether it is a delivery, and all of it is as it should be. */
  read(chunk: Buffer, place: WholeContent): boolean {
    try {
      return this.#readMethod(chunk, place) && this.#readHeader(chunk, place)
    } catch {
      // A FrameError: frame by frame the same octets are found to be broken at the same place.
      return false
    }
  }

  #readMethod(chunk: Buffer, { methodStart, methodEnd }: WholeContent): boolean {
    READER.reset(chunk, methodStart, methodEnd)
    if (READER.long() !== DELIVER_ID) return false
    this.consumerTag = READER.shortstr(this.consumerTag)
    const deliveryTag = READER.longlong()
    if (typeof deliveryTag === 'bigint') return false
    this.deliveryTag = deliveryTag
    this.redelivered = (READER.octet() & 1) !== 0
    this.exchange = READER.shortstr(this.exchange)
    this.routingKey = READER.shortstr(this.routingKey)
    return READER.remaining === 0
  }

  /** The body size has been looked at by whoever found the place. */
  #readHeader(chunk: Buffer, { headerStart, headerEnd }: WholeContent): boolean {
    READER.reset(chunk, headerStart, headerEnd)
    if (READER.long() !== CLASS_AND_NO_WEIGHT) return false
    READER.skip(8)
    if (READER.matches(this.propertyOctets)) return true
    const { position } = READER
    skipProperties(READER)
    this.propertyOctets = READER.copySince(position)
    return true
  }
}
