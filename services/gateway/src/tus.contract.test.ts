import { tusContract } from './testing/tus-contract.js'

tusContract('bytes in a folder')
