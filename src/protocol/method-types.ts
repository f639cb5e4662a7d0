// What TypeScript reads out of the method table: the argument type of each method, which methods are calls, and
// what answers them. Types only; nothing here exists at run time.

import type { FieldTable } from '../frames/index.js'
import type { Domain, METHODS, MethodName } from './methods.js'

type Table = typeof METHODS

type DomainValue<D extends Domain> = D extends 'bit'
  ? boolean
  : D extends 'octet' | 'short' | 'long' | 'longlong'
    ? number
    : D extends 'shortstr'
      ? string
      : D extends 'longstr'
        ? Buffer
        : FieldTable

type Arguments<A> = {
  [K in keyof A as A[K] extends `reserved${string}` ? never : K]: A[K] extends Domain
    ? DomainValue<A[K]>
    : never
}

/** The arguments of a method, reserved ones left out. */
export type MethodArgs<M extends MethodName> = Arguments<Table[M]['args']>

/** A method with its arguments, discriminated by `name`. */
export type Method = { [M in MethodName]: { readonly name: M; readonly args: MethodArgs<M> } }[MethodName]

/** One particular method. */
export type MethodOf<M extends MethodName> = Extract<Method, { name: M }>

/** A method that is answered. */
export type CallName = {
  [M in MethodName]: Table[M] extends { replies: readonly MethodName[] } ? M : never
}[MethodName]

/** A method that carries a content. */
export type ContentMethodName = {
  [M in MethodName]: Table[M] extends { content: true } ? M : never
}[MethodName]
