export {
  readStackFile,
  stackFileSchema,
  stackPartSchema,
  writeStackFile,
  type StackFile,
  type StackPart,
} from './stack-file.js'
