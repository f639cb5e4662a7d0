// What the protocol layer may import.

export { ArgumentError, kindOf } from './argument-error.js'
export { type ArgumentPath, FieldPath } from './argument-path.js'
export { ByteReader } from './byte-reader.js'
export { ByteWriter } from './byte-writer.js'
export {
  CONTENT_HEADER_SIZE,
  FRAME_END,
  FRAME_HEADER_SIZE,
  FRAME_MIN_SIZE,
  FRAME_OVERHEAD,
  FrameType,
  HEARTBEAT_FRAME,
  INITIAL_FRAME_MAX,
  NO_OCTETS,
  PROTOCOL_HEADER,
} from './constants.js'
export { readTable, skipTable, splitTable, writeTable } from './field-table.js'
export {
  DecimalField,
  type FieldArray,
  type FieldTable,
  type FieldValue,
  field,
  TypedField,
  type TypedFieldType,
} from './field-value.js'
export { FrameDecoder } from './frame-decoder.js'
export { beginFrame, endFrame, writeBodyFrames, writeFrameHeader } from './frame-encoder.js'
export { FrameError, type FrameErrorReplyCode } from './frame-error.js'
export { keepOctets, OctetKeeper } from './kept-octets.js'
export { Slab, type SlabChunk } from './slab.js'
export { LARGE_SLAB, SLAB_POOL } from './slab-pool.js'
export { WholeContent } from './whole-content.js'
