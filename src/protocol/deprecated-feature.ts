// What RabbitMQ 4 says when it is asked for something that it does not permit any more. The refusal is an INTERNAL_ERROR (541),
// which ends the connection, and nothing in it but the text says what was wrong:
//
//   INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nBy default, this feature is not permitted anymore.\n…
//
// Which features: `transient_nonexcl_queues`, refused by 4.3 and by every version from 3.13 whose operator says so. `global_qos`
// is answered as if nothing were wrong, by 4.0 with the permission taken away as by 4.3.

import { ReplyCode } from './reply-codes.js'

const FEATURE = /\bFeature `(\w+)` is deprecated/

const ADVICE: Readonly<Record<string, string>> = Object.freeze({
  transient_nonexcl_queues: 'declare the queue durable, or exclusive',
})

/** RabbitMQ's name of the feature that is not permitted; undefined when the text says something else. */
export function deprecatedFeatureIn(
  replyCode: number | undefined,
  replyText: string | undefined,
): string | undefined {
  return replyCode === ReplyCode.InternalError ? replyText?.match(FEATURE)?.[1] : undefined
}

/** What to do about it, in words. */
export function adviceOn(feature: string): string {
  const permit = `permit it with deprecated_features.permit.${feature} in rabbitmq.conf`
  const advice = Object.hasOwn(ADVICE, feature) ? ADVICE[feature] : undefined
  return advice === undefined ? permit : `${advice}, or ${permit}`
}
