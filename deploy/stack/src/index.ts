export { stackCommand, type StackSurroundings } from './command.js'
export { Part } from './part.js'
export { freePorts } from './ports.js'
export { postgresPrograms, postgresUser, type PostgresPrograms, type RunAs } from './postgres-program.js'
export { Sentence } from './sentence.js'
export {
  readStackFile,
  stackFileSchema,
  stackPartSchema,
  writeStackFile,
  type StackFile,
  type StackPart,
} from './stack-file.js'
export { stackFileOf, stackParts, startStack, type Stack, type StackOptions, type StackPartName } from './stack.js'
export { cacheFolder, kafkaLibs, minioProgram, missingFor, prepare, type BuiltPart } from './tools.js'
export { versions } from './versions.js'
