// @ts-check
//
// Whether node_modules holds what the lock file says, without asking npm: npm leaves in node_modules the lock of what it
// installed. It uses nothing but Node, as there may be nothing else yet.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './process-tree.js'

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage */

/**
 * Installs the packages of the lock file unless they are there.
 *
 * @param {string} root the project's directory
 * @returns {Promise<boolean>} whether they are there now
 */
export async function ensurePackages(root) {
  const difference = findDifference(root)
  if (difference === undefined) return true
  process.stdout.write(`installing the npm packages: ${difference}\n`)
  const { status } = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root })
  return status === 0
}

/**
 * The first thing that is not as locked, in words; undefined when all is.
 *
 * @param {string} root
 */
export function findDifference(root) {
  const installed = readLock(join(root, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return 'node_modules is missing'
  const locked = readLock(join(root, 'package-lock.json')) ?? {}
  for (const [path, { version, integrity, optional = false }] of Object.entries(locked)) {
    if (path === '') continue
    const present = installed[path]
    // An optional package is one for another platform.
    if (present === undefined && optional) continue
    if (present?.version !== version || present?.integrity !== integrity || !existsSync(join(root, path))) {
      return `${path} is not as locked`
    }
  }
  const extra = Object.keys(installed).find(path => locked[path] === undefined)
  return extra === undefined ? undefined : `${extra} is not locked`
}

/**
 * @param {string} file
 * @returns {Record<string, LockedPackage> | undefined}
 */
function readLock(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined
}
