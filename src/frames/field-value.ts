// The JavaScript side of field tables (AMQP 0-9-1 section 4.2.5.5): which values go in and which come out.
//
//   value                          sent as          received as
//   boolean                        t                boolean
//   integer within 32 bits         I (int32)        number
//   other safe integer, bigint     l (int64)        number, or bigint beyond 2^53-1
//   any other finite number        d (double)       number
//   string                         S                string, or Buffer if it is not UTF-8
//   Uint8Array                     x                Buffer
//   Date                           T, in seconds    Date, or a timestamp field beyond what a Date can hold
//   null                           V                null
//   undefined                      left out         (inside an array: V)
//   array, plain object            A, F             array, object without prototype
//   field.*                        as it says       number; decimals as they are
//
// Nothing here knows the octets; field-table does.

/** A header, or an argument of a declaration. */
export type FieldValue =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | null
  | undefined
  | TypedField
  | FieldArray
  | FieldTable

export type FieldArray = readonly FieldValue[]

/** Names, each of at most 255 octets, and their values. A received table has no prototype. */
export interface FieldTable {
  [name: string]: FieldValue
}

/** The types of field that need a {@link field} constructor to be asked for. */
export type TypedFieldType =
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float'
  | 'double'
  | 'decimal'
  | 'timestamp'

/**
 * A number with its type on the wire. Made by {@link field}; whether the value fits is checked when it is
 * sent, where the error can name the header.
 */
export class TypedField {
  readonly type: TypedFieldType
  readonly value: number | bigint

  constructor(type: TypedFieldType, value: number | bigint) {
    this.type = type
    this.value = value
  }
}

/** A decimal number: `value / 10 ** scale`. */
export class DecimalField extends TypedField {
  /** Digits behind the decimal point, 0 to 255. */
  readonly scale: number
  declare readonly value: number

  constructor(scale: number, value: number) {
    super('decimal', value)
    this.scale = scale
  }
}

/**
 * Asks for a type on the wire, for a peer that is particular about it. RabbitMQ itself never is: it takes any
 * integer type for its own arguments.
 */
export const field = Object.freeze({
  int8: (value: number): TypedField => new TypedField('int8', value),
  uint8: (value: number): TypedField => new TypedField('uint8', value),
  int16: (value: number): TypedField => new TypedField('int16', value),
  uint16: (value: number): TypedField => new TypedField('uint16', value),
  int32: (value: number): TypedField => new TypedField('int32', value),
  uint32: (value: number): TypedField => new TypedField('uint32', value),
  int64: (value: number | bigint): TypedField => new TypedField('int64', value),
  float: (value: number): TypedField => new TypedField('float', value),
  double: (value: number): TypedField => new TypedField('double', value),
  /** `value / 10 ** scale`, the value unsigned: the specification calls it signed, RabbitMQ differs. */
  decimal: (scale: number, value: number): DecimalField => new DecimalField(scale, value),
  /** Seconds since 1970, also beyond the year 275760, where a Date ends. */
  timestamp: (seconds: number | bigint): TypedField => new TypedField('timestamp', seconds),
})
