// All fuzzers, in the order in which they run.

import type { Campaign } from './campaign.js'
import { decoderCampaign } from './decoder/campaign.js'
import { octetsCampaign } from './octets/campaign.js'
import { programsCampaign } from './programs/campaign.js'
import { serverCampaign } from './server/campaign.js'

export const campaigns: readonly Campaign[] = [
  decoderCampaign,
  serverCampaign,
  octetsCampaign,
  programsCampaign,
]
