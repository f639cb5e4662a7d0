// Values at the edges of what octets can mean, where mistakes are.

import { FRAME_END } from './frame-map.js'

/** Also the frame-end, and the types of frames. */
export const OCTETS: readonly number[] = [0, 1, 2, 3, 8, 0x7f, 0x80, 0xfe, 0xff, FRAME_END]

/** Type tags of fields, those that RabbitMQ knows and some that it does not. */
export const TAGS: readonly number[] = [...Buffer.from('tbBsuIilLfdDSxTFAVUZ')]

/** By octets of width, big-endian. The sizes of frames among them are those that inputs are judged by. */
export const INTEGERS: readonly Buffer[] = [
  ...['0000', '0001', '003c', '7fff', '8000', 'fffc', 'ffff'],
  ...['00000000', '00000001', '00000ff8', '00000ff9', '7fffffff', '80000000', 'fffffffe', 'ffffffff'],
  ...['0000000000000000', '0000000000000001', '0000000000010000', '0000000000010001'],
  ...['001fffffffffffff', '0020000000000000', '7fffffffffffffff', '8000000000000000', 'ffffffffffffffff'],
  // The last second of a Date, and the next; NaN, infinities, and minus zero.
  ...['000007dba8218000', '000007dba8218001'],
  ...['7ff8000000000000', '7ff0000000000000', 'fff0000000000000', '8000000000000000', '7fc00000', '7f800000'],
].map(digits => Buffer.from(digits, 'hex'))

/** What a length becomes, beside one more or one less. */
export const LENGTHS: readonly number[] = [
  0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
]

/** A value of every type, as it stands in a table or array: tag and content. */
export const FIELDS: readonly Buffer[] = [
  ...['7400', '7401', '74ff', '6280', '42ff', '738000', '75ffff', '4980000000', '69ffffffff'],
  ...['6c8000000000000000', '6c0020000000000000', '4cffffffffffffffff', '663fc00000', '647ff8000000000000'],
  ...[
    '648000000000000000',
    '4402ffffffff',
    '5300000000',
    '530000000161',
    '5300000002ff00',
    '5300000003efbfbd',
  ],
  ...['780000000100', '54000007dba8218000', '54ffffffffffffffff', '4600000000', '4600000004017a7400'],
  ...[
    '460000000b0546000000040161560141',
    '4100000000',
    '410000000256' + '56',
    '41000000074100000002' + '5656',
  ],
  '56',
].map(digits => Buffer.from(digits, 'hex'))

/** Names of fields: length and text. Some are special to JavaScript, some to the broker. */
export const NAMES: readonly Buffer[] = [
  '',
  'a',
  'a',
  '__proto__',
  'constructor',
  'x-death',
  'BCC',
  'é',
  '\ud7ff',
].map(name => {
  const text = Buffer.from(name)
  return Buffer.concat([Buffer.of(text.length), text])
})
