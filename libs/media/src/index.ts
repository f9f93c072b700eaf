export type {
  ByteRange,
  ComposeOptions,
  GetOptions,
  ObjectEntry,
  ObjectPart,
  ObjectStat,
  ObjectStore,
  PartOf,
  PutOptions,
  SignedUrlOptions,
  StoredObject,
} from './object-store.js'
export { objectsPublicOrigin, openObjectStore } from './open-object-store.js'
export { storeReached } from './store-reached.js'
export { prepareBucket, type PreparedBucket } from './prepare-bucket.js'
export { parseS3Address, type S3Address } from './s3-address.js'
export { S3ObjectStore, type S3ObjectStoreOptions } from './s3-object-store.js'
export { FilesystemObjectStore, type FilesystemObjectStoreOptions } from './filesystem-object-store.js'
export { requireObjectKey, requirePrefix } from './object-key.js'
export { signedUrlPath, signObjectUrl, verifySignedUrl, type SignedRequest } from './signed-url.js'
export type * from './image-types.js'
export type * from './video-types.js'
export type { Media, MediaLimits, MediaOptions } from './media.js'
export { defaultImageChildren, defaultLimits, openMedia } from './open-media.js'
export type { LiveMarkers, MotionPhoto } from './live-photo.js'
export { sniff, sniffBytes, type Sniffed } from './sniff.js'
export { hammingDistance } from './perceptual-hash.js'
export {
  isMediaFailure,
  mediaError,
  mediaFailures,
  storeFailures,
  type MediaFailure,
  type StoreFailure,
} from './errors.js'
