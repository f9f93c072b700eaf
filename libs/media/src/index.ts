export type {
  ByteRange,
  ComposeOptions,
  GetOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoredObject,
} from './object-store.js'
export type * from './image-types.js'
export type * from './video-types.js'
export type { Media, MediaLimits, MediaOptions } from './media.js'
export type { LiveMarkers } from './live-photo.js'
export type { Sniffed } from './sniff.js'
export {
  isMediaFailure,
  mediaError,
  mediaFailures,
  storeFailures,
  type MediaFailure,
  type StoreFailure,
} from './errors.js'
