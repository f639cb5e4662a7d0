import { expect } from 'chai'
import { ArgumentError, ConnectError } from '../../src/index.js'
import { encodeAhead, encodeMethodFrame } from '../../src/protocol/frame-writers.js'
import type { Method } from '../../src/protocol/method-types.js'
import { hex, toHex } from '../support/hex.js'
import { rejectionOf } from '../support/rejection.js'
import { OPEN_OK, PROTOCOL_HEADER, START, TUNE } from './octets.js'
import { row } from './rows.js'

const OPEN = '01000000000008000a0028012f0000ce'

describe('on the wire, opening', () => {
  row(1, 'it comes first and alone, and Start of version 0-9 is answered', async sessions => {
    const session = sessions.begin()
    await session.settle()
    expect(session.heard()).to.equal(PROTOCOL_HEADER)
    await session.say(START)
    expect(session.heard()).to.match(/^010000[0-9a-f]{8}000a000b[0-9a-f]+ce$/)
  })

  for (const [octets, version] of [
    ['414d515000000901', '0.9.1'],
    // RabbitMQ 4.0 and later: AMQP 1.0.
    ['414d515003010000', '1.0.0'],
  ] as const) {
    row(2, `${octets} is a refusal that is told, and the end of the socket`, async sessions => {
      const session = sessions.begin()
      await session.settle()
      session.heard()
      await session.say(hex`${octets}`)
      const error = await rejectionOf(session.connecting, ConnectError)
      expect(error.message).to.include(`refused AMQP 0-9-1 and suggests ${version}`)
      expect(session.heard()).to.equal('')
      expect(session.virtual.stream.destroyed).to.equal(true)
    })
  }

  row(3, 'without a wish of its own the client takes what the server offers', async sessions => {
    const session = sessions.begin({ connect: { heartbeat: 60 } })
    await session.say(START)
    session.heard()
    await session.say(hex`0100000000000c000a001e07ff00020000003cce`)
    expect(session.heard()).to.equal(`0100000000000c000a001f07ff00020000003cce${OPEN}`)
    await session.say(OPEN_OK)
    expect(await session.settled('connect()', session.connecting)).to.include({
      channelMax: 2047,
      frameMax: 131_072,
      heartbeat: 60,
    })
  })

  // Its properties are the client's own affair: the octets are those of the codec, which connect() uses.
  row(4, 'properties, mechanism, response and locale have their places', () => {
    const startOk: Method = {
      name: 'connection.start-ok',
      args: {
        clientProperties: { capabilities: { 'basic.nack': true } },
        mechanism: 'PLAIN',
        response: Buffer.from('\0guest\0guest'),
        locale: 'en_US',
      },
    }
    expect(toHex(encodeAhead(encodeMethodFrame, 0, 8192, startOk))).to.equal(
      '01000000000043000a000b0000001f0c6361706162696c6974696573460000000d0a62617369632e6e61636b7401' +
        '05504c41494e0000000c00677565737400677565737405656e5f5553ce',
    )
  })

  row(4, 'capabilities are a table of true booleans, and the rest is as the options say', async sessions => {
    const session = sessions.begin()
    await session.say(START)
    const startOk = session.heard().slice(PROTOCOL_HEADER.length)
    expect(startOk).to.match(/^010000[0-9a-f]{8}000a000b/)
    expect(startOk).to.match(/05504c41494e0000000c00677565737400677565737405656e5f5553ce$/)
    // "capabilities" F; of its entries the one for a close at a refused login.
    expect(startOk).to.include('0c6361706162696c697469657346')
    expect(startOk).to.include('1c61757468656e7469636174696f6e5f6661696c7572655f636c6f73657401')
  })

  row(5, 'the virtual host stands between two empty reserved fields', async sessions => {
    const session = sessions.begin({ connect: { vhost: '/' } })
    await session.say(START, TUNE)
    expect(session.heard().endsWith(OPEN)).to.equal(true)
    await session.say(hex`01000000000005000a002900ce`)
    expect((await session.settled('connect()', session.connecting)).state).to.equal('open')
  })

  row(6, 'the mechanism answers it, as a long string', async sessions => {
    const challenges: string[] = []
    const auth = {
      mechanism: 'PLAIN',
      initialResponse: () => Buffer.from('guest'),
      answer: (challenge: Uint8Array) => {
        challenges.push(Buffer.from(challenge).toString())
        return Buffer.from('My password is guest')
      },
    }
    const session = sessions.begin({ connect: { auth } })
    await session.say(START)
    session.heard()
    await session.say(
      hex`01000000000024000a00140000001c506c656173652074656c6c206d6520796f75722070617373776f7264ce`,
    )
    expect(challenges).to.deep.equal(['Please tell me your password'])
    expect(session.heard()).to.equal(
      '0100000000001c000a0015000000144d792070617373776f7264206973206775657374ce',
    )
  })

  // To wish for no limit is to leave the option out.
  for (const connect of [
    ...[0, 1, 4095, 4096, 8191].map(frameMax => ({ frameMax })),
    { channelMax: 0 },
    { channelMax: 65_536 },
  ]) {
    row(
      7,
      `${JSON.stringify(connect)} is a mistake of the caller, and nothing is written`,
      async sessions => {
        const session = sessions.begin({ connect })
        const error = await rejectionOf(session.connecting, ArgumentError)
        expect(error.message).to.include(Object.keys(connect)[0])
        expect(session.heard()).to.equal('')
      },
    )
  }

  // What a server offers itself it takes: one that says 4096 is older than RabbitMQ 4.1.
  for (const [what, connect, tuneOk] of [
    ['larger frames', { frameMax: 131_073 }, '07ff 00020000 0000'],
    ['one channel more', { channelMax: 2048 }, '07ff 00020000 0000'],
    ['all channels that there are', { channelMax: 65_535 }, '07ff 00020000 0000'],
    ['fewer and smaller', { channelMax: 1, frameMax: 8192 }, '0001 00002000 0000'],
  ] as const) {
    row(
      7,
      `Tune-Ok never has more than the server offers, though it is asked for ${what}`,
      async sessions => {
        const session = sessions.begin({ connect: { heartbeat: 0, ...connect } })
        await session.say(START)
        session.heard()
        await session.say(TUNE)
        expect(session.heard()).to.equal(`${toHex(hex`0100000000000c000a001f ${tuneOk} ce`)}${OPEN}`)
      },
    )
  }

  row(7, 'a server that offers no more than 4096 octets gets just that', async sessions => {
    const session = sessions.begin({ connect: { heartbeat: 0 } })
    await session.say(START)
    session.heard()
    await session.say(hex`0100000000000c000a001e 07ff 00001000 003c ce`)
    expect(session.heard()).to.equal(`0100000000000c000a001f07ff000010000000ce${OPEN}`)
  })

  // It is no mechanism of thump's own: `auth` takes any.
  row(53, 'its response is a table without a length of its own', async sessions => {
    const response = hex`054c4f47494e530000000567756573740850415353574f524453000000056775657374`
    const auth = { mechanism: 'AMQPLAIN', initialResponse: () => response }
    const session = sessions.begin({ connect: { auth } })
    await session.say(
      hex`01 0000 0000001f 000a000a 0009 00000000 00000008414d51504c41494e 00000005 656e5f5553 ce`,
    )
    // Mechanism, and the response behind the length of a long string, which is not the table's.
    expect(session.heard().endsWith(`08414d51504c41494e00000023${toHex(response)}05656e5f5553ce`)).to.equal(
      true,
    )
  })
})
