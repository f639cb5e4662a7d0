// Connects to where nobody listens, and has nothing left to do.

import { connect } from '../../../src/index.js'
import { report, reportExit } from './report.js'

reportExit()
try {
  await connect(process.argv[2] as string)
} catch (error) {
  const { code, phase } = error as { code?: string; phase?: string }
  report('refused', { code, phase })
}
