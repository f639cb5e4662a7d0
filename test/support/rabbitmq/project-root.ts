// Where the project lies. Compiled tests run from any depth below it, so what is not compiled (scripts, captures) is
// looked for from here and not by a relative path.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The nearest directory above this file that holds package.json. */
export function projectRoot(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error(`no package.json above ${import.meta.dirname}`)
    directory = parent
  }
  return directory
}
