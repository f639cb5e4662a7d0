import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { replaceGenerated } from '../../bench/report.js'
import { projectRoot } from '../support/rabbitmq/project-root.js'

const PAGE = readFileSync(join(projectRoot(), 'docs', 'performance.md'), 'utf8')

describe('The page of measurements', () => {
  it('is written anew between its marks, and nowhere else', () => {
    const page = replaceGenerated(PAGE, 'NEW')
    const [before, after] = page.split('NEW') as [string, string]
    expect(PAGE.startsWith(before)).to.equal(true)
    expect(PAGE.endsWith(after)).to.equal(true)
    expect(before).to.include('## How it is measured')
    expect(page).not.to.include('<!--')
  })

  it('must have its marks', () => {
    expect(() => replaceGenerated('# Performance', 'NEW')).to.throw('has not the two marks')
    expect(() => replaceGenerated(replaceGenerated(PAGE, 'NEW'), 'NEW')).to.throw('has not the two marks')
  })
})
