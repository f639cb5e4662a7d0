// Holds the world's account of each queue against the queue itself, when nothing is under way.

import type { VirtualHost } from '../broker/virtual-host.js'
import { expectThat } from '../world/finding.js'
import type { World } from '../world/world.js'
import { idOf } from './truth.js'

export function expectAccounts(world: World, host: VirtualHost): void {
  for (const queue of world.queues.values()) {
    const ready = new Set(host.queue(queue.name).ready.map(({ message }) => idOf(message)))
    for (const { publish, presence, holder, isAside } of queue.entries) {
      const { id } = publish
      const isHeld = holder?.isUnsettled === true && !holder.channel.isClosed
      const mustBe = presence === 'in' && !isHeld && !isAside
      expectThat(!mustBe || ready.has(id), () => `${publish} is lost: it is not in ${queue}`)
      expectThat(!isHeld || !ready.has(id), () => `${publish} is in ${queue}, and held by ${holder?.channel}`)
      expectThat(presence !== 'leaving' || !ready.has(id), () => `${publish} was settled, and is in ${queue}`)
      ready.delete(id)
    }
    for (const id of ready) expectThat(false, () => `message ${id} is in ${queue}, and must not be`)
  }
}
