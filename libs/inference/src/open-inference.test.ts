import { openModelFiles } from './open-inference.js'
import { inferenceContract } from './testing/inference-contract.js'

inferenceContract('worker threads on the CPU', openModelFiles)
