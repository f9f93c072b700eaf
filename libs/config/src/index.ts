export { Secret } from './secret.js'
export { ConfigError, describeConfig, loadConfig, optionTable, type Env } from './load.js'
export { choice, flag, number, optionalSecret, optionalText, secret, text, type OptionHelp } from './options.js'
