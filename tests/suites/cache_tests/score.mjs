// node score.mjs SUITE RESULTS: counts what the suite calls required, optimal and a mere question, and names
// each test that did not pass.
import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const [suite, results] = process.argv.slice(2)
const load = async file => await import(pathToFileURL(path.resolve(suite, file)))
const tests = (await load('tests/index.mjs')).default
const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
const told = JSON.parse(fs.readFileSync(results, 'utf8'))
const count = { required: [0, 0], optimal: [0, 0], check: [0, 0] }
const missed = []

for (const test of tests.flatMap(group => group.tests).filter(test => !test.browser_only)) {
  const kind = test.kind ?? 'required'
  const result = determineTestResult(tests, test.id, told, false)
  const passed = result === resultTypes.pass || result === resultTypes.yes
  count[kind][1] += 1
  count[kind][0] += passed
  if (!passed && kind !== 'check') missed.push(`${kind} ${test.id}: ${result[2]}; ${told[test.id]?.[1] ?? ''}`)
}
missed.sort().forEach(line => console.log(line))
for (const [kind, [passed, all]] of Object.entries(count)) console.log(`${kind}: ${passed} of ${all}`)
const least = { required: Number(process.env.REQUIRED ?? 154), optimal: Number(process.env.OPTIMAL ?? 86) }
const worse = Object.entries(least).filter(([kind, most]) => count[kind][0] < most)
if (worse.length) {
  console.log(`fewer than before: ${worse.map(([kind, most]) => `${kind} was ${most}`).join(', ')}`)
  process.exitCode = 1
}
