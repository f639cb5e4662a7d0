// @ts-check
//
// Packages of a Debian release, this machine's or another one, as files. apt does the fetching, with an index, a cache and an empty
// list of installed packages of our own: so it finds the mirror that the machine is configured with, its proxies and its keys,
// verifies what it fetches, and changes nothing. It need not be root.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, succeed } from './program.js'

const ASK_TIMEOUT_MS = 60_000
const UPDATE_TIMEOUT_MS = 3 * 60_000
const DOWNLOAD_TIMEOUT_MS = 8 * 60_000

/**
 * @typedef {{ release: string, name: string, needed: RegExp, directory: string }} Order
 *   The package and those that it depends on, as far as `needed` matches their names; `directory` may not hold anything else.
 */

/**
 * Fetches the archives of packages, from the first mirror that has them.
 *
 * @param {Order} order
 * @throws {Error} in one line
 */
export function fetchPackages(order) {
  /** @type {unknown[]} */
  const failures = []
  for (const mirror of debianMirrors()) {
    try {
      return fetchFrom(mirror, order)
    } catch (error) {
      failures.push(error)
    }
  }
  throw failures[0]
}

/**
 * @param {string} mirror
 * @param {Order} order
 */
function fetchFrom(mirror, { release, name, needed, directory }) {
  for (const part of ['lists', 'archives']) mkdirSync(join(directory, part, 'partial'), { recursive: true })
  writeFileSync(join(directory, 'status'), '')
  const source = `deb [target=Packages${signedBy()}] ${mirror} ${release} main\n`
  writeFileSync(join(directory, 'sources.list'), source)
  const options = Object.entries({
    'Dir::Etc::SourceList': join(directory, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(directory, 'lists'),
    'Dir::State::status': join(directory, 'status'),
    'Dir::Cache': directory,
    'APT::Install-Recommends': 'false',
    // The user _apt cannot write below a home directory.
    'APT::Sandbox::User': 'root',
    // The machine's clock may be wrong; signatures are verified all the same.
    'Acquire::Check-Date': 'false',
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '30',
    'Acquire::https::Timeout': '30',
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const update = [...options, '--quiet=2', '--error-on=any', 'update']
  succeed('apt-get', update, { timeoutMs: UPDATE_TIMEOUT_MS })
  const plan = succeed('apt-get', [...options, '--simulate', 'install', name])
  const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(match => match[1] ?? '')
  const download = [...options, '--quiet=2', 'download', ...names.filter(each => needed.test(each))]
  succeed('apt-get', download, { timeoutMs: DOWNLOAD_TIMEOUT_MS, cwd: directory })
}

/**
 * The mirrors that apt would ask for the Debian release of this machine; a third party's may be among them, which has no
 * RabbitMQ to give, or not with Debian's signature. (`apt-get indextargets` knows none before the first update.)
 */
export function debianMirrors() {
  if (!/^ID=debian$/m.test(systemDescription())) return []
  const { output } = run('apt-get', ['update', '--print-uris'], { timeoutMs: ASK_TIMEOUT_MS })
  const releases = [...output.matchAll(/^'(\S+)\/dists\/([^/\s]+)\/InRelease'/gm)]
  const ours = releases.filter(([, , name]) =>
    [debianRelease(), 'oldstable', 'stable', 'testing', 'sid'].includes(name ?? ''),
  )
  return [...new Set(ours.map(([, mirror]) => mirror ?? ''))]
}

/** What apt calls the Debian release of this machine. */
export function debianRelease() {
  return /^VERSION_CODENAME=(\S+)$/m.exec(systemDescription())?.[1] ?? 'stable'
}

function systemDescription() {
  return existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
}

/** apt trusts it anyway on most machines; where it does not, the machine's own sources name this file too. */
function signedBy() {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  return existsSync(keyring) ? ` signed-by=${keyring}` : ''
}
