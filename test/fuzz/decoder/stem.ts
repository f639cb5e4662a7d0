// An input that others are made from: its octets, with what mutations must know of them.

import { FrameMap } from './frame-map.js'
import { Reference } from './reference.js'
import { Spans } from './spans.js'

export interface Stem {
  readonly octets: Buffer
  /** Where each frame begins, and one more: where the last one ends. */
  readonly starts: Int32Array
  readonly spans: Spans
}

/** Octets of the largest frame that inputs are judged by: the smallest that may be negotiated. */
export const FRAME_MAX = 4096

const MAP = new FrameMap()
const REFERENCE = new Reference()
const SPANS = new Spans()

/** The octets must be nobody else's. */
export function stemOf(octets: Buffer): Stem {
  MAP.read(octets, octets.length, FRAME_MAX)
  SPANS.count = 0
  REFERENCE.reader.spans = SPANS
  REFERENCE.judge(octets, octets.length, MAP, false)
  const spans = new Spans(SPANS.count)
  spans.addAll(SPANS, 0, octets.length, 0)
  return { octets, starts: MAP.starts.slice(0, MAP.count + 1), spans }
}
