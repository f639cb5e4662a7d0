// What the peer did wrong, on its way from the place that noticed to the connection.close that says so. Thrown and
// caught inside this layer only (the single catch is in ConnectionProtocol.receiveData); users see a ProtocolError.

import { METHODS, type MethodName } from './methods.js'

export class Violation extends Error {
  override get name(): string {
    return 'Violation'
  }

  /** The hard-error code of the close that answers it (501-505, 540). */
  readonly replyCode: number
  readonly classId: number
  readonly methodId: number

  constructor(replyCode: number, message: string, method?: MethodName) {
    super(message)
    this.replyCode = replyCode
    this.classId = method === undefined ? 0 : METHODS[method].classId
    this.methodId = method === undefined ? 0 : METHODS[method].methodId
  }
}
