import { expect } from 'chai'
import { captureNames, loadCapture } from '../../support/captures.js'
import { WIRE_BODY, WIRE_HEADER, WIRE_HEARTBEAT, WIRE_METHOD, wireFrame } from '../wire.js'
import { PARTS, StreamMap } from './stream-map.js'

const hex = (octets: string): Buffer => Buffer.from(octets.replaceAll(' ', ''), 'hex')
const OPEN_OK = wireFrame(WIRE_METHOD, 0, hex('000a 0029 00'))
/** basic.deliver with consumer tag `c`, tag 1, exchange '', routing key `k` (1.8.3.9). */
const DELIVER = wireFrame(WIRE_METHOD, 1, hex('003c 003c 0163 0000000000000001 00 00 016b'))
const HEADER = wireFrame(WIRE_HEADER, 1, hex('003c 0000 0000000000000002 0000'))
const BODY = wireFrame(WIRE_BODY, 1, Buffer.from('hi'))
const STREAM = Buffer.concat([OPEN_OK, DELIVER, HEADER, BODY, wireFrame(WIRE_HEARTBEAT, 0, Buffer.alloc(0))])

/** Parts in the order of the stream, each once for every run of octets, with how long they are. */
function parts(map: StreamMap, length: number): string[] {
  const runs: { name: string; octets: number }[] = []
  for (let offset = 0; offset < length; offset++) {
    const place = map.placeOf(offset)
    const name = place === undefined ? 'nothing' : `${place.part} of ${place.method}`
    const last = runs.at(-1)
    if (last?.name === name) last.octets++
    else runs.push({ name, octets: 1 })
  }
  return runs.map(({ name, octets }) => `${octets} ${name}`)
}

describe('The map of a stream', () => {
  it('says of every octet what it is a part of', () => {
    expect(parts(StreamMap.of(STREAM), STREAM.length + 2)).to.deep.equal([
      '13 handshake of connection.open-ok',
      '1 frame type of basic.deliver',
      '2 channel number of basic.deliver',
      '4 frame size of basic.deliver',
      '18 method of basic.deliver',
      '1 frame-end of basic.deliver',
      '1 frame type of basic.deliver',
      '2 channel number of basic.deliver',
      '4 frame size of basic.deliver',
      '14 content header of basic.deliver',
      '1 frame-end of basic.deliver',
      '1 frame type of basic.deliver',
      '2 channel number of basic.deliver',
      '4 frame size of basic.deliver',
      '2 body of basic.deliver',
      '1 frame-end of basic.deliver',
      '8 heartbeat of heartbeat',
      '2 nothing',
    ])
  })

  it('has nothing where a frame is not complete', () => {
    expect(StreamMap.of(STREAM.subarray(0, 20)).placeOf(13)).to.equal(undefined)
  })

  it('numbers the octets of a part', () => {
    const map = StreamMap.of(STREAM)
    expect(map.octetsOf('body')).to.equal(2)
    expect(map.offsetOf('body', 1)).to.equal(STREAM.indexOf('hi') + 1)
    expect(map.offsetOf('frame-end', 1)).to.equal(STREAM.indexOf(HEADER) + HEADER.length - 1)
    expect(map.offsetOf('body', 2)).to.equal(undefined)
    const all = PARTS.flatMap(part =>
      Array.from({ length: map.octetsOf(part) }, (_, index) => map.offsetOf(part, index)),
    )
    expect(all.sort((a, b) => Number(a) - Number(b))).to.deep.equal([...STREAM.keys()])
  })

  it('knows the confirms of a channel, in order', () => {
    const ack = wireFrame(WIRE_METHOD, 1, hex('003c 0050 0000000000000003 01'))
    const nack = wireFrame(WIRE_METHOD, 1, hex('003c 0078 0000000000000004 00'))
    const other = wireFrame(WIRE_METHOD, 2, hex('003c 0050 0000000000000001 00'))
    const map = StreamMap.of(Buffer.concat([OPEN_OK, ack, other, nack]))
    expect(map.confirmsOn(1)).to.deep.equal([
      { deliveryTag: 3, multiple: true, accepted: true },
      { deliveryTag: 4, multiple: false, accepted: false },
    ])
    expect(map.confirmsOn(3)).to.deep.equal([])
    expect(map.placeOf(OPEN_OK.length + 7)).to.include({ part: 'confirm', method: 'basic.ack' })
    expect(map.octetsOf('confirm')).to.equal(3 * 13)
  })

  it('has a place for every octet that a real broker has sent', () => {
    for (const name of captureNames()) {
      const { received } = loadCapture(name)
      if (received[0] !== WIRE_METHOD) continue
      const map = StreamMap.of(received)
      const lost = [...received.keys()].filter(offset => map.placeOf(offset) === undefined)
      expect(lost, name).to.deep.equal([])
    }
  })

  it('is not made of what is no stream of frames', () => {
    const broken = Buffer.from(STREAM)
    broken.writeUInt8(0, OPEN_OK.length - 1)
    expect(() => StreamMap.of(broken)).to.throw('no frame ends before 13')
  })
})
