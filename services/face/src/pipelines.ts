import { observe } from './observe.js'
import { PIPELINE } from './store.js'

/** One version of the way from a picture to faces: which models, and how. */
export interface Pipeline {
  readonly version: number
  readonly observe: typeof observe
}

/**
 * The versions that this release can run. A release that brings a new one goes on shipping the one before for as long as families hold it, so that
 * their new pictures stay comparable with the old ones until all are done.
 */
export class Pipelines {
  constructor(private readonly all: readonly Pipeline[]) {
    if (all.length === 0) throw new Error('a release ships at least one pipeline')
  }

  /** The version that a new family begins with. */
  get newest(): Pipeline {
    return this.all.reduce((best, one) => (one.version > best.version ? one : best))
  }

  /** All versions that this release ships. */
  get versions(): number[] {
    return this.all.map(({ version }) => version)
  }

  /** That version, where this release ships it. */
  find(version: number): Pipeline | undefined {
    return this.all.find(one => one.version === version)
  }

  /** For a picture of a family that holds this version; where the release ships it no more, the newest is the best there is. */
  of(version: number): Pipeline {
    return this.find(version) ?? this.newest
  }
}

/** What this release ships. */
export const shippedPipelines = new Pipelines([{ version: PIPELINE, observe }])
