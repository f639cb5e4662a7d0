// The thread in which exploring goes on: code that is to be counted is loaded here, after counting has begun, and slows nothing
// down but this.

import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../random.js'
import { Corpus } from './corpus.js'
import { Coverage } from './coverage.js'
import type { Exploration, Journey } from './exploration.js'
import { Explorer, type Trial } from './explorer.js'
import { Mutator } from './mutator.js'

const { target, folders, stems, seed, inputs } = workerData as Journey
const coverage = new Coverage(url => folders.some(folder => url.startsWith(folder)))
const { trial } = (await import(target)) as { trial: Trial }
const random = new Random(seed)
const corpus = new Corpus(stems, random)
const explorer = new Explorer(coverage, trial, corpus, new Mutator(corpus, random), random)
explorer.run(inputs)
const { complaints } = explorer
parentPort?.postMessage({ found: [...corpus.found], complaints, ...coverage.blocks } satisfies Exploration)
