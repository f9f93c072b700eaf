/** What a still says about moving pictures that belong to it. */
export interface LiveMarkers {
  /** Apple's content identifier (maker note 0x0011): equals `VideoProbe.quickTime.contentIdentifier` of the live photo's clip. */
  contentIdentifier?: string
  /** A clip appended to the still (Google, Samsung, Xiaomi motion photos). */
  motionPhoto?: {
    /** First byte of the clip in the file. */
    offset: number
    /** Bytes of the clip. */
    length: number
    /** Where in the clip the still was taken, seconds, when the file says so. */
    stillAtS?: number
  }
}
