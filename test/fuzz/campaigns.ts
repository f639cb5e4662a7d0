// All fuzzers, in the order in which they run.

import type { Campaign } from './campaign.js'

export const campaigns: readonly Campaign[] = []
